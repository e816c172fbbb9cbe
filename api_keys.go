package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"

	"teiki/internal/door"
)

// keyView is an API key as lists show it: never the key itself.
type keyView struct {
	Prefix     string   `json:"prefix"`
	Name       string   `json:"name"`
	Owner      string   `json:"owner"`
	Scopes     []string `json:"scopes"`
	AllowIP    []string `json:"allow_ip"`
	CreatedAt  string   `json:"created_at"`
	ExpiresAt  *string  `json:"expires_at"`
	RevokedAt  *string  `json:"revoked_at"`
	LastUsedAt *string  `json:"last_used_at"` // to the minute
}

// newKeyView is the answer to a new key: the only one that holds it.
type newKeyView struct {
	keyView
	Key string `json:"key"`
}

func showKey(k *Key) keyView {
	v := keyView{Prefix: k.Prefix, Name: k.Name, Owner: k.Owner, Scopes: k.Scopes.Names(), AllowIP: []string{}, CreatedAt: zoneTime(k.CreatedAt, time.UTC),
		ExpiresAt: shown(k.ExpiresAt, time.UTC), RevokedAt: shown(k.RevokedAt, time.UTC), LastUsedAt: shown(k.UsedAt, time.UTC)}
	for _, p := range k.AllowIP {
		v.AllowIP = append(v.AllowIP, door.Nets{p}.String())
	}
	return v
}

// keyRequest is the body of POST /keys.
type keyRequest struct {
	Name      string          `json:"name"`
	Owner     string          `json:"owner"`
	Scopes    Strings         `json:"scopes"`
	AllowIP   Strings         `json:"allow_ip"`
	ExpiresAt json.RawMessage `json:"expires_at"`
}

// newKey checks a wish for a key and makes it. text is the key itself.
func newKey(req keyRequest, now time.Time) (k *Key, text string, faults []Fault) {
	k = &Key{Name: req.Name, Owner: req.Owner}
	if req.Name == "" {
		faults = append(faults, Fault{"name", `is required: who or what uses the key, for example "deploy pipeline"`})
	}
	faults = append(faults, checkText("name", req.Name, maxName, "")...)
	if err := door.CheckOwner(req.Owner); err != nil {
		faults = append(faults, Fault{"owner", err.Error() + `; it says whose jobs the key sees, for example "billing"`})
	}
	var err error
	if k.Scopes, err = door.ParseScopes(req.Scopes); err != nil {
		faults = append(faults, Fault{"scopes", err.Error()})
	} else if k.Scopes == 0 {
		faults = append(faults, Fault{"scopes", "is required: a list with read, run, write or admin"})
	}
	for i, s := range req.AllowIP {
		nets, err := door.ParseNets(s)
		if err != nil || len(nets) == 0 {
			faults = append(faults, Fault{fmt.Sprintf("allow_ip[%d]", i), fmt.Sprintf("must be a network or address such as 10.0.0.0/8, not %.60q", s)})
		}
		k.AllowIP = append(k.AllowIP, nets...)
	}
	var wrong []Fault
	if k.ExpiresAt, wrong = instantField("expires_at", req.ExpiresAt, false); k.ExpiresAt != 0 && k.ExpiresAt <= instantOf(now) {
		wrong = []Fault{{"expires_at", "must be in the future; leave it out for a key that does not expire"}}
	}
	if faults = append(faults, wrong...); len(faults) > 0 {
		return nil, "", faults
	}
	text, prefix, hash := door.NewKey()
	k.Prefix, k.Hash = prefix, hash[:]
	return k, text, nil
}

// createKey is POST /keys. The key is in this answer and nowhere else.
func (a *api) createKey(w http.ResponseWriter, r *http.Request) error {
	var req keyRequest
	if err := readJSON(w, r, false, &req); err != nil {
		return err
	}
	if len(r.Header.Values("Idempotency-Key")) > 0 {
		return newProblem(http.StatusBadRequest, "bad_request", "a new key cannot be asked for with an Idempotency-Key: its answer, which holds the key, is not kept")
	}
	k, text, faults := newKey(req, a.now())
	if len(faults) > 0 {
		return invalid(faults)
	}
	if err := a.records.CreateKey(r.Context(), k); err != nil {
		return err
	}
	w.Header().Set("Location", "/keys/"+k.Prefix)
	return writeJSON(w, http.StatusCreated, newKeyView{showKey(k), text})
}

// listKeys is GET /keys.
func (a *api) listKeys(w http.ResponseWriter, r *http.Request) error {
	list, err := a.records.Keys(r.Context())
	if err != nil {
		return err
	}
	out := struct {
		Keys []keyView `json:"keys"`
	}{make([]keyView, len(list))}
	for i, k := range list {
		out.Keys[i] = showKey(k)
	}
	return writeJSON(w, http.StatusOK, out)
}

// revokeKey is DELETE /keys/{prefix}.
func (a *api) revokeKey(w http.ResponseWriter, r *http.Request) error {
	prefix := r.PathValue("prefix")
	if err := a.records.RevokeKey(r.Context(), prefix); err != nil {
		return about("key", prefix, err)
	}
	return writeJSON(w, http.StatusOK, struct {
		Prefix string `json:"prefix"`
		Status string `json:"status"`
	}{prefix, "revoked"})
}

// runBudget bounds the runs that each owner asks for by hand, as quota-runs bounds those that its jobs plan.
type runBudget struct {
	mu sync.Mutex
	of map[string]runTokens
}

type runTokens struct {
	left float64
	at   time.Time
}

// maxBudgets bounds the owners that are remembered; a full map starts anew.
const maxBudgets = 10_000

// mayRun takes n runs from the asker's budget, or says how long to wait.
func (g *gate) mayRun(by *asker, n int, now time.Time) error {
	owner, limited := by.limited()
	if !limited || by.Quota.Runs == 0 || by.DryRun {
		return nil
	}
	burst := max(by.Quota.Runs, 1)
	g.budget.mu.Lock()
	defer g.budget.mu.Unlock()
	b, ok := g.budget.of[owner]
	if !ok {
		b = runTokens{burst, now}
	}
	b.left = min(burst, b.left+max(0, now.Sub(b.at).Seconds())*by.Quota.Runs)
	if b.at = now; b.left < float64(min(n, int(burst))) {
		p := newProblem(http.StatusTooManyRequests, "quota", fmt.Sprintf("%s may ask for %g runs per second", owner, by.Quota.Runs))
		p.header = map[string]string{"Retry-After": fmt.Sprint(int((float64(n)-b.left)/by.Quota.Runs) + 1)}
		return p
	}
	b.left -= float64(n) // below zero after a backfill larger than the burst: paid off before the next one
	if g.budget.of == nil || len(g.budget.of) >= maxBudgets {
		g.budget.of = map[string]runTokens{}
	}
	g.budget.of[owner] = b
	return nil
}

// has tells whether the asker has a scope.
func (g *gate) has(by *asker, need door.Scopes) bool { return g.open || by.Scopes.Has(need) }
