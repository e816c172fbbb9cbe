// Package door decides who may come in: API keys, JSON Web Tokens, addresses, and a bound on failed attempts. It knows no HTTP
// server, no job and no database: the API family asks it and gives the answers.
package door

import (
	"fmt"
	"slices"
	"strings"
)

// Scopes is what a caller may do, as a set.
type Scopes uint8

// The scopes. Each is asked for by itself: write does not contain read. Admin contains all, and every owner's objects.
const (
	Read  Scopes = 1 << iota // see jobs, runs and events
	Run                      // make and cancel runs
	Write                    // create, change, pause and delete jobs
	Admin                    // everything, for every owner; keys and the audit log
)

var scopeNames = []string{"read", "run", "write", "admin"}

// Has tells whether s contains all of want.
func (s Scopes) Has(want Scopes) bool { return s&Admin != 0 || s&want == want }

// Names lists the scopes in s: read, run, write, admin.
func (s Scopes) Names() []string {
	names := []string{}
	for i, n := range scopeNames {
		if s&(1<<i) != 0 {
			names = append(names, n)
		}
	}
	return names
}

func (s Scopes) String() string { return strings.Join(s.Names(), ",") }

// ParseScopes reads names. An unknown one is an error that says which there are.
func ParseScopes(names []string) (Scopes, error) {
	var s Scopes
	for _, n := range names {
		i := slices.Index(scopeNames, n)
		if i < 0 {
			return 0, fmt.Errorf("must be among %s, not %.40q", strings.Join(scopeNames, ", "), n)
		}
		s |= 1 << i
	}
	return s, nil
}
