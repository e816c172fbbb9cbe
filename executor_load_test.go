package main

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"testing"
)

// manyLedger serves definitions in one go, and counts the reads.
type manyLedger struct {
	ledger
	mu    sync.Mutex
	reads int
	most  int // keys of one read
	gate  chan struct{}
}

func (l *manyLedger) Definitions(_ context.Context, keys []versionKey) (names, texts []string, err error) {
	<-l.gate
	l.mu.Lock()
	defer l.mu.Unlock()
	l.reads++
	l.most = max(l.most, len(keys))
	for _, k := range keys {
		names = append(names, fmt.Sprint("job-", k.job))
		texts = append(texts, fmt.Sprintf(`{"schedule_type":"date","target_url":"http://127.0.0.1:1/%d","method":"GET"}`, k.job))
	}
	return names, texts, nil
}

// TestLoaderGathers: what is asked for while a read is under way becomes one further read, and everyone gets his own.
func TestLoaderGathers(t *testing.T) {
	l := &manyLedger{gate: make(chan struct{})}
	e, err := newExecutor(executorConfig{Settings: testSettings(), Ledger: l})
	if err != nil {
		t.Fatal(err)
	}
	const jobs = 200
	var asked, got sync.WaitGroup
	for i := range 2 * jobs {
		asked.Add(1)
		got.Go(func() {
			asked.Done()
			p, err := e.load(t.Context(), Dispatch{Job: int64(i % jobs), Version: 1})
			if want := fmt.Sprint("job-", i%jobs); err != nil || p.jobID != want {
				t.Errorf("%v, want %s", err, want)
			}
		})
	}
	asked.Wait()
	close(l.gate)
	got.Wait()
	if l.reads >= jobs || l.most < 2 {
		t.Errorf("%d reads, at most %d in one", l.reads, l.most)
	}
	e.Drain(t.Context())
}

// TestQuickLook: the quick look for credentials never misses one that the exact search finds.
func TestQuickLook(t *testing.T) {
	for text, want := range map[string]bool{
		`{"order":1,"what":"the token"}`:            false,
		`{"order":1,"token":"x"}`:                   true,
		`[{"a":[{"X-Api-Key" : "x"}]}]`:             true,
		`{"to\u006ben":"x"}`:                        true,
		`{"a\\":"token","b\"":1}`:                   true, // an escape: the exact search decides
		`["token","secret"]`:                        false,
		`"token"`:                                   false,
		`{"a":"\\","password":"x"}`:                 true,
		`{"a":"say \"password\": x","b":"c"}`:       false,
		`{"outer":{"inner":{"client_secret":"x"}}}`: true,
		``: false, `{}`: false, `17`: false,
	} {
		if got := mayNameCredential([]byte(text)); got != want {
			t.Errorf("%s: %v", text, got)
		}
		found := false
		eachCredential(json.RawMessage(text), func(int, int, string) { found = true })
		if found && !want {
			t.Errorf("%s holds a credential", text)
		}
	}
}
