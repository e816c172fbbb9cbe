package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"teiki/internal/schedule"
)

// zoneStep jobs are planned anew in one change, so that a start with a million of them holds no long transaction.
const zoneStep = 500

// zoneYears is how far around now the offsets of a zone are kept: what is planned anew later than that is planned by its instants.
const zoneYears = 3

// zoneNote is what meta keeps of a zone: the fingerprint of its data, and its offsets.
func zoneNote(loc *time.Location, now instant) string {
	return schedule.ZoneFingerprint(loc) + " " + schedule.Offsets(loc, now.Time().AddDate(-zoneYears, 0, 0), now.Time().AddDate(zoneYears, 0, 0))
}

// zoneData gives the fingerprint of the data of s's zone, and notes a zone that no job has used yet.
func (t *tx) zoneData(s *schedule.Schedule) (string, error) {
	data, ok := t.s.zones[s.Zone()]
	if !ok {
		data = schedule.ZoneFingerprint(s.Location())
		t.s.zones[s.Zone()] = data
	}
	noted, err := t.has("SELECT 1 FROM meta WHERE key = ?", "zone:"+s.Zone())
	if err != nil || noted {
		return data, err
	}
	_, err = t.exec("INSERT INTO meta (key, value) VALUES (?, ?)", "zone:"+s.Zone(), zoneNote(s.Location(), t.now))
	return data, err
}

// followZones compares the time zone data of this process with what the jobs were planned with, zone by zone. Where it says
// something else, each job goes on under a new version that is planned with the new data, from where the old plan's rows end.
// It runs at the opening, before anybody else writes.
func (s *Store) followZones(ctx context.Context) error {
	notes := map[string]string{}
	rows, err := s.read.QueryContext(ctx, "SELECT substr(key, 6), value FROM meta WHERE key >= 'zone:' AND key < 'zone;'")
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var zone, note string
		if err := rows.Scan(&zone, &note); err != nil {
			return err
		}
		notes[zone] = note
	}
	if err := rows.Err(); err != nil {
		return err
	}
	for zone, was := range notes {
		loc, fault := schedule.LoadZone(zone)
		if fault != nil {
			s.log.Error("time zone data without a zone that jobs use: they are not fired until it is back", "timezone", zone, "error", fault.Detail)
			continue
		}
		before, offsets, _ := strings.Cut(was, " ")
		if before == schedule.ZoneFingerprint(loc) {
			continue
		}
		jobs, err := s.followZone(ctx, zone, loc, offsets)
		if err != nil {
			return fmt.Errorf("planning the jobs of %s with new time zone data: %w", zone, err)
		}
		s.log.Warn("the time zone data has changed: jobs are planned anew", "timezone", zone, "jobs", jobs)
	}
	return nil
}

// followZone plans the living jobs of one zone anew. What it did before a crash it does not do again: their zone_data tells.
func (s *Store) followZone(ctx context.Context, zone string, loc *time.Location, offsets string) (jobs int, err error) {
	data := schedule.ZoneFingerprint(loc)
	for after, more := int64(0), true; more; {
		err := s.change(ctx, func(t *tx) error {
			var keys []int64
			err := t.each(func(scan func(...any) error) error {
				keys = append(keys, 0)
				return scan(&keys[len(keys)-1])
			}, "SELECT id FROM jobs WHERE id > ? AND deleted_at IS NULL AND json_extract(schedule, '$.timezone') = ? AND zone_data <> ? ORDER BY id LIMIT ?", after, zone, data, zoneStep)
			if err != nil {
				return err
			}
			for _, key := range keys {
				if err := t.followZone(key, data, offsets); err != nil {
					return fmt.Errorf("job %d: %w", key, err)
				}
				after = key
			}
			jobs += len(keys)
			if more = len(keys) == zoneStep; more {
				return nil
			}
			_, err = t.exec("UPDATE meta SET value = ? WHERE key = ?", zoneNote(loc, t.now), "zone:"+zone)
			return err
		})
		if err != nil {
			return jobs, err
		}
	}
	return jobs, nil
}

// followZone gives one job a new version with the same definition, planned with the data of this process. Nothing is settled:
// what is due since the old plan's cursor was not called, so the new plan has it, and the loop finds it as after any downtime.
func (t *tx) followZone(key int64, data, offsets string) error {
	j, err := t.jobByKey(key)
	if err != nil {
		return err
	}
	plan, err := j.Schedule()
	if err != nil {
		return err
	}
	if j.PausedAt == 0 && j.NextAt == 0 {
		return nil // over stays over
	}
	if err := t.archive(j, j.cursor); err != nil {
		return err
	}
	if east, ok := schedule.OffsetAt(offsets, j.cursor.Time()); ok {
		j.cursor = max(j.cursor, instantOf(plan.DoneUpTo(j.cursor.Time(), east)))
	}
	j.Version++
	if j.PausedAt == 0 {
		j.NextAt = nextAfter(plan, j.cursor)
	}
	if _, err := t.exec("UPDATE jobs SET version = ?, zone_data = ?, effective_at = ? WHERE id = ?", j.Version, data, int64(j.cursor), j.ID); err != nil {
		return err
	}
	return t.setTimer(j)
}
