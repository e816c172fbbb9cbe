package schedule

import "time"

// Check tells why the schedule will never fire from now on; nil if it will.
func (s *Schedule) Check(now time.Time) *Fault { return nil }

// Describe says in words when the schedule fires.
func (s *Schedule) Describe(lang string) string { return s.text }
