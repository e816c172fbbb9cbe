package main

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestExpected: what was read ahead serves one call, is bounded in bytes, and is forgotten when no call comes.
func TestExpected(t *testing.T) {
	text := `{"schedule_type":"date","target_url":"http://127.0.0.1:1/","method":"GET"}`
	synctest.Test(t, func(t *testing.T) {
		e, err := newExecutor(executorConfig{Settings: testSettings(), Ledger: &manyLedger{}})
		if err != nil {
			t.Fatal(err)
		}
		key := versionKey{7, 2}
		near := []ScheduleText{{Job: 7, Version: 2, JobID: "seven", Definition: text}, {Job: 8, Version: 1, JobID: "long"}}
		e.Expect(near)
		if p, err := e.load(t.Context(), Dispatch{Job: 7, Version: 2}); err != nil || p.jobID != "seven" { // the ledger would wait for ever
			t.Fatal(p, err)
		}
		if _, ok := e.expected.take(key); ok || e.expected.young.size != 0 || e.expected.young.of != nil {
			t.Error("it is kept after its use")
		}
		if _, ok := e.expected.take(versionKey{8, 1}); ok {
			t.Error("a definition that was not read is not empty, but absent")
		}

		e.Expect(near)
		e.Expect(near) // the same again takes no more room
		if n := e.expected.young.of[key]; n.p == nil || e.expected.young.size != n.size() {
			t.Errorf("%d bytes for %+v of %d", e.expected.young.size, n, n.size())
		}
		time.Sleep(expectedFor + time.Second)
		e.Expect(nil)
		if _, ok := e.expected.old.of[key]; !ok {
			t.Error("forgotten too early")
		}
		time.Sleep(expectedFor + time.Second)
		e.Expect(nil)
		if _, ok := e.expected.take(key); ok {
			t.Error("never forgotten")
		}

		big := strings.Repeat("x", 1<<20)
		for i := range int64(100) {
			e.Expect([]ScheduleText{{Job: i, Version: 1, Definition: big}})
		}
		if n := len(e.expected.young.of); n == 0 || n*(1<<20) > expectedBytes {
			t.Errorf("%d MiB are kept", n)
		}

		e.expected.young = generation{}
		many := make([]ScheduleText, expectedBytes/1000)
		for i := range many {
			many[i] = ScheduleText{Job: int64(i), Version: 1, Definition: text}
		}
		for list := range slices.Chunk(many, plansAtOnce) { // as the loop reads them
			e.Expect(list)
		}
		texts := 0
		for _, n := range e.expected.young.of {
			if n.p == nil {
				texts++
			}
		}
		if texts == 0 || texts == len(e.expected.young.of) || e.expected.young.size > expectedBytes {
			t.Errorf("%d of %d definitions wait as text, %d bytes", texts, len(e.expected.young.of), e.expected.young.size)
		}
		if p, err := e.load(t.Context(), Dispatch{Job: int64(len(many) - 1), Version: 1}); err != nil || p == nil {
			t.Error(p, err)
		}
		e.Drain(t.Context())
	})
}
