package main

import (
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestRunIDs(t *testing.T) {
	s, other := openTest(t), openTest(t)
	last := ""
	for _, key := range []int64{1, 1<<20 - 1, 1 << 20, 1772366400000<<20 | 0xfffff, 1772366400001 << 20, 1<<63 - 1} {
		id := s.RunID(key)
		if id[14] != '7' || !strings.ContainsRune("89ab", rune(id[19])) || len(id) != 36 {
			t.Errorf("%s is not a UUIDv7", id)
		}
		if id <= last {
			t.Errorf("%s does not sort after %s", id, last)
		}
		last = id
		if got, err := s.ParseRunID(id); err != nil || got != key {
			t.Errorf("%s: %d, %v; want %d", id, got, err, key)
		}
		for _, wrong := range []string{other.RunID(key), strings.ToUpper(id + " "), id[:35], id + "0", strings.Replace(id, "-7", "-4", 1), "f" + id[1:], "", strings.Repeat("-", 36)} {
			if _, err := s.ParseRunID(wrong); !errors.Is(err, errNotFound) {
				t.Errorf("%q: %v", wrong, err)
			}
		}
	}
}

// TestRunsPages compares the pages of random filters with a plain search of all rows.
func TestRunsPages(t *testing.T) {
	s := openTest(t)
	random := rand.New(rand.NewPCG(1, 2))
	names := []string{"a", "b", "c"}
	ids := map[string]*Job{}
	for _, n := range names {
		ids[n] = mustCreate(t, s, n, everySeconds(3600), 0)
	}
	statuses := []Status{Succeeded, Succeeded, Failed, Interrupted, Canceled, Missed, Skipped, Coalesced, Running, Pending, Retrying}
	triggers := []Trigger{BySchedule, ByHand, ByRerun, ByBackfill}
	base := instantOf(time.Now())
	var all []*Run
	err := s.change(t.Context(), func(tx *tx) error {
		for i := range 3000 {
			j := ids[names[random.IntN(3)]]
			r := &Run{Job: j.ID, JobID: j.JobID, Version: 1, Trigger: triggers[random.IntN(4)], Status: statuses[random.IntN(len(statuses))],
				ScheduledAt: base.Add(time.Duration(random.IntN(500)) * time.Second), Reason: fmt.Sprint("reason", i%7), HTTPStatus: []int{0, 200, 500}[random.IntN(3)]}
			if r.Trigger == BySchedule {
				r.ScheduledAt = base.Add(time.Duration(i)*time.Second + 1)
			}
			if err := tx.insertRun(r); err != nil {
				return err
			}
			if _, err := tx.exec("UPDATE runs SET http_status = ?, attempts = ? WHERE id = ?", r.HTTPStatus, fmt.Sprintf(`[{"t":1,"d":1,"m":"Word%d"}]`, i%11), r.ID); err != nil {
				return err
			}
			all = append(all, r)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(all, func(a, b *Run) int {
		if (runPlace{a.ScheduledAt, a.ID}).before(runPlace{b.ScheduledAt, b.ID}) {
			return -1
		}
		return 1
	})
	for n := range 60 {
		f := RunFilter{Limit: 1 + random.IntN(400)}
		if random.IntN(2) == 0 {
			f.JobID = names[random.IntN(3)]
		}
		for range random.IntN(4) {
			f.Statuses = append(f.Statuses, statuses[random.IntN(len(statuses))])
		}
		if random.IntN(3) == 0 {
			f.Trigger = triggers[random.IntN(4)]
		}
		if random.IntN(3) == 0 {
			f.HTTPStatus = 500
		}
		if random.IntN(3) == 0 {
			f.From, f.To = base.Add(100*time.Second), base.Add(400*time.Second)
		}
		if random.IntN(4) == 0 {
			f.Q = []string{"REASON3", "reason", "none of them"}[random.IntN(3)]
		}
		var want, got []int64
		for _, r := range all {
			if (f.JobID == "" || r.JobID == f.JobID) && (f.From == 0 || r.ScheduledAt >= f.From && r.ScheduledAt <= f.To) && f.wants(r, "") {
				want = append(want, r.ID)
			}
		}
		for pages := 0; ; pages++ {
			page, next, err := s.Runs(t.Context(), f)
			if err != nil || len(page) > f.Limit || pages > 5000 {
				t.Fatalf("%+v: page %d: %v", f, pages, err)
			}
			for _, r := range page {
				got = append(got, r.ID)
				if r.JobID == "" || r.Plan == nil {
					t.Fatal("a run without its job")
				}
			}
			if next == "" {
				break
			}
			f.Cursor = next
		}
		if !slices.Equal(got, want) {
			t.Fatalf("filter %d %+v: %d runs, want %d", n, f, len(got), len(want))
		}
	}
	page, _, err := s.Runs(t.Context(), RunFilter{Q: "word10", Limit: 5})
	if err != nil || len(page) != 5 {
		t.Fatalf("text of attempts: %d, %v", len(page), err)
	}
	if r, err := s.Run(t.Context(), page[0].ID); err != nil || len(r.Attempts) != 1 || r.Attempts[0].Detail != "Word10" {
		t.Fatalf("attempts: %+v, %v", r, err)
	}
	for _, bad := range []string{"x", "_", "1_", "zz_-", "1_2_3", "Z_1", "+1_1"} {
		if _, _, err := s.Runs(t.Context(), RunFilter{Limit: 1, Cursor: bad}); !errors.Is(err, errBadCursor) {
			t.Errorf("cursor %q: %v", bad, err)
		}
	}
	if _, _, err := s.Runs(t.Context(), RunFilter{Limit: 1, JobID: "none"}); !errors.Is(err, errNotFound) {
		t.Errorf("no such job: %v", err)
	}
}

func TestJobsPages(t *testing.T) {
	s := openTest(t)
	want := map[string][]string{}
	for i := range 700 {
		d := everySeconds(3600)
		id := fmt.Sprintf("job-%03d", i)
		d.Name = []string{"", "Été", "plain <name>"}[i%3]
		d.Tags = [][]string{nil, {"x"}, {"x", "y"}}[i%3]
		mustCreate(t, s, id, d, 0)
		key := StateScheduled
		if i%5 == 0 {
			key = StatePaused
			if _, err := s.PauseJob(t.Context(), id, "r", 0); err != nil {
				t.Fatal(err)
			}
		}
		for _, k := range []string{"", key, "tag" + fmt.Sprint(len(d.Tags)), "name" + d.Name} {
			want[k] = append(want[k], id)
		}
	}
	if _, err := s.DeleteJob(t.Context(), "job-699"); err != nil {
		t.Fatal(err)
	}
	for k, ids := range want {
		want[k] = slices.DeleteFunc(ids, func(id string) bool { return id == "job-699" })
	}
	for _, c := range []struct {
		f    JobFilter
		want []string
	}{
		{JobFilter{}, want[""]}, {JobFilter{State: StatePaused}, want[StatePaused]}, {JobFilter{State: StateScheduled}, want[StateScheduled]},
		{JobFilter{State: StateCompleted}, nil}, {JobFilter{Tags: []string{"y"}}, want["tag2"]}, {JobFilter{Tags: []string{"y", "x"}}, want["tag2"]},
		{JobFilter{Q: "été"}, want["nameÉté"]}, {JobFilter{Q: "<NAME"}, want["nameplain <name>"]}, {JobFilter{Q: "job-12"}, want[""][120:130]},
		{JobFilter{Q: "127.0.0.1:9/HOOK"}, want[""]}, {JobFilter{Q: "schedule_type"}, nil},
	} {
		for _, limit := range []int{1000, 699, 37} {
			c.f.Limit, c.f.After = limit, 0
			var got []string
			for {
				page, next, err := s.Jobs(t.Context(), c.f)
				if err != nil || len(page) > limit {
					t.Fatal(err)
				}
				for _, j := range page {
					got = append(got, j.JobID)
				}
				if next == 0 {
					break
				}
				c.f.After = next
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("%+v: %d jobs, want %d", c.f, len(got), len(c.want))
			}
		}
	}
}

// TestQueryPlans holds the reads to their indexes: none may look at every row or sort a whole result.
func TestQueryPlans(t *testing.T) {
	s := openTest(t)
	queries := map[string]string{
		"job":        "SELECT " + jobColumns + jobTables + " WHERE j.job_id = 'x' AND j.deleted_at IS NULL",
		"jobs":       strings.ReplaceAll(jobsQuery, "?", "1"),
		"paused":     strings.ReplaceAll(pausedJobsQuery, "?", "1"),
		"a run":      "SELECT " + runColumns + " FROM runs r WHERE r.id = 1",
		"open runs":  "SELECT " + openColumns + " AND job = 1 ORDER BY job, id",
		"oldest run": "SELECT min(scheduled_at) FROM runs WHERE job = 1",
		"nth newest": "SELECT scheduled_at FROM runs WHERE job = 1 ORDER BY scheduled_at DESC LIMIT 1 OFFSET 10",
	}
	for name, f := range map[string]RunFilter{"all": {}, "of a job": {JobID: "x"}, "failed": {Statuses: []Status{Failed}}, "of many statuses": {Statuses: []Status{Failed, Missed, Succeeded}}, "open": {Statuses: []Status{Pending}}} {
		for i, where := range f.sources() {
			q := f.query(where)
			for n := 1; n <= 4; n++ {
				q = strings.ReplaceAll(q, fmt.Sprint("?", n), fmt.Sprint(n))
			}
			queries[fmt.Sprint("runs ", name, i)] = q
		}
	}
	for name, q := range queries {
		rows, err := s.read.Query("EXPLAIN QUERY PLAN " + q)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for rows.Next() {
			var id, parent, unused int
			var step string
			if err := rows.Scan(&id, &parent, &unused, &step); err != nil {
				t.Fatal(err)
			}
			inOrder := name == "runs all0" || name == "runs of many statuses0" || name == "runs open0" // a walk along an index, ended by the page
			if strings.HasPrefix(step, "SCAN") && !(inOrder && strings.Contains(step, "USING INDEX")) ||
				strings.Contains(step, "TEMP B-TREE FOR ORDER BY") && name != "runs open0" {
				t.Errorf("%s: %s\n%s", name, step, q)
			}
		}
		rows.Close()
	}
}

// TestJobsSorted: every order, both ways, page by page, is that of all jobs compared in memory; the frequent ones follow an index.
func TestJobsSorted(t *testing.T) {
	s := openTest(t)
	var all []*Job
	for i := range 40 {
		d := everySeconds(3600 * (1 + i*7%5)) // some at the same instant
		d.Name = fmt.Sprint("name ", i*11%7)
		at := noon
		if i%9 == 0 {
			at = noon + 1
		}
		id, owner := fmt.Sprintf("job-%02d", i*17%40), []string{"", "ann", "bob"}[i%3]
		j, _, err := s.CreateJob(t.Context(), NewJob{JobID: id, Definition: d, At: at, Owner: owner})
		if err != nil {
			t.Fatal(err)
		}
		if i%4 == 0 {
			if j, err = s.PauseJob(t.Context(), id, "", 0); err != nil {
				t.Fatal(err)
			}
		}
		if i%10 == 3 {
			if _, err := s.DeleteJob(t.Context(), id); err != nil {
				t.Fatal(err)
			}
			continue
		}
		all = append(all, j)
	}
	keyOf := map[string]func(j *Job) string{
		"job_id": func(j *Job) string { return j.JobID },
		"name":   func(j *Job) string { return j.Definition.Name },
		"next_run_time": func(j *Job) string {
			if j.NextAt == 0 {
				return noNext
			}
			return fmt.Sprintf("%020d", j.NextAt)
		},
		"last_status": func(*Job) string { return "" },
	}
	for _, sort := range jobSorts {
		field, desc := strings.CutPrefix(sort, "-")
		for _, owner := range []string{"", "ann"} {
			want := slices.DeleteFunc(slices.Clone(all), func(j *Job) bool { return owner != "" && j.Owner != owner })
			slices.SortFunc(want, func(a, b *Job) int {
				c := cmp.Or(strings.Compare(keyOf[field](a), keyOf[field](b)), cmp.Compare(a.ID, b.ID))
				if desc {
					c = -c
				}
				return c
			})
			for _, limit := range []int{1, 7, 100} {
				var got, wanted []string
				for _, j := range want {
					wanted = append(wanted, j.JobID)
				}
				for at := (&JobOrder{Field: field, Desc: desc}); at != nil; {
					page, next, err := s.JobsSorted(t.Context(), JobFilter{Limit: limit, Owner: owner}, *at)
					if err != nil || len(page) > limit {
						t.Fatal(sort, len(page), err)
					}
					for _, j := range page {
						got = append(got, j.JobID)
					}
					at = next
				}
				if !slices.Equal(got, wanted) {
					t.Errorf("%s of %q, %d at a time:\n%v, want\n%v", sort, owner, limit, got, wanted)
				}
			}
		}
	}
}
