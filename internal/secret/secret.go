// Package secret resolves the names of secrets to their values, and takes values out of text again.
package secret

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// maxBytes bounds a secret's file: keys and tokens are far smaller.
const maxBytes = 64 << 10

// EnvPrefix is what the environment variable of a secret starts with.
const EnvPrefix = "TEIKI_SECRET_"

// ErrUnknown is in the chain of Lookup's error when there is no secret of that name.
var ErrUnknown = errors.New("no such secret")

// Source finds secrets: the environment first, then a directory with one file per secret, as Docker, Kubernetes and
// systemd's credentials lay them out. Nothing is cached: a rotated file counts from the next call on.
type Source struct {
	dir    string
	lookup func(string) (string, bool)
}

// New makes a source of the directory ("" = none) and of lookup, which is os.LookupEnv but in tests.
func New(dir string, lookup func(string) (string, bool)) *Source {
	return &Source{dir: dir, lookup: lookup}
}

// ValidName tells whether a secret may have this name: letters, digits, "_", "-" and ".", not starting with a dot, at most
// 128 bytes. So a name never leaves the directory.
func ValidName(name string) bool {
	if name == "" || len(name) > 128 || name[0] == '.' {
		return false
	}
	for _, c := range []byte(name) {
		letter := 'a' <= c|0x20 && c|0x20 <= 'z'
		if !letter && (c < '0' || c > '9') && c != '_' && c != '-' && c != '.' {
			return false
		}
	}
	return true
}

// Lookup reads a secret's value. One line end at the end of a file is not part of it. The error never holds a value.
func (s *Source) Lookup(name string) (string, error) {
	if !ValidName(name) {
		return "", fmt.Errorf("secret %q: not a name: letters, digits, _, - and . are", name)
	}
	if s != nil {
		if v, ok := s.lookup(EnvPrefix + name); ok {
			return filled(name, v)
		}
	}
	if s == nil || s.dir == "" {
		return "", fmt.Errorf("secret %q: %w: set %s%s, or start with -secrets-dir", name, ErrUnknown, EnvPrefix, name)
	}
	path := filepath.Join(s.dir, name)
	info, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) {
		return "", fmt.Errorf("secret %q: %w: neither %s%s is set nor %s exists", name, ErrUnknown, EnvPrefix, name, path)
	}
	if err != nil {
		return "", fmt.Errorf("secret %q: %w", name, err)
	}
	if !info.Mode().IsRegular() || info.Size() > maxBytes {
		return "", fmt.Errorf("secret %q: %s is not a file of at most %d bytes", name, path, maxBytes)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("secret %q: %w", name, err)
	}
	return filled(name, strings.TrimSuffix(strings.TrimSuffix(string(b), "\n"), "\r"))
}

// filled refuses an empty value: it is a mistake of the set-up, and "Bearer " would go out.
func filled(name, v string) (string, error) {
	if v == "" {
		return "", fmt.Errorf("secret %q is empty", name)
	}
	return v, nil
}
