package schedule

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// parsing collects what Parse learns about one source: a rule in the making and its faults.
type parsing struct {
	rule
	faults []Fault
	key    strings.Builder // canonical form of the source, which is the key of the shared rule
}

func (p *parsing) fault(field, format string, args ...any) {
	if len(args) > 0 {
		format = fmt.Sprintf(format, args...)
	}
	p.faults = append(p.faults, Fault{field, format})
}

// Parse checks src and compiles it. It reports every fault it finds, in the order in
// which APScheduler would meet them, and never panics. A schedule that can never
// fire, or is over, parses; Check tells.
func Parse(src Source, defaultZone string) (*Schedule, []Fault) {
	p := &parsing{rule: rule{kind: src.Type}}
	switch src.Type {
	case kindCron, kindInterval, kindDate:
	case "":
		return nil, []Fault{{"schedule_type", `is required: "cron", "interval" or "date"`}}
	default:
		return nil, []Fault{{"schedule_type", fmt.Sprintf(`must be "cron", "interval" or "date", not %s`, quote(src.Type))}}
	}
	p.refuseOthers(src)
	switch src.Type {
	case kindCron:
		p.parseCron(src, defaultZone)
	case kindInterval:
		p.parseInterval(src, defaultZone)
	case kindDate:
		p.setZone("", "", src.Timezone, defaultZone)
		p.parseRunAt(src.RunAt)
	}
	if len(p.faults) > 0 {
		return nil, p.faults
	}
	s := &Schedule{}
	if p.kind == kindDate || p.kind == kindInterval && p.hasStart {
		s.rule = p.compile() // hardly two jobs have the same, and it costs less than sharing it
	} else {
		s.rule = rules.share(p.cacheKey(), p.compile)
	}
	if s.kind == kindInterval && !s.hasStart {
		s.anchor = microsUp(src.Anchor)
	}
	return s, nil
}

// refuseOthers faults the schedule of another kind: its author expects it to be obeyed.
func (p *parsing) refuseOthers(src Source) {
	for _, o := range []struct {
		kind, field string
		raw         []byte
	}{{kindCron, "cron", src.Cron}, {kindInterval, "interval", src.Interval}, {kindDate, "run_at", src.RunAt}} {
		if o.kind != src.Type && !absent(o.raw) {
			p.fault(o.field, "does not belong to schedule_type %q", src.Type)
		}
	}
}

// setZone loads the zone: the object's own, else the job's, else the default.
func (p *parsing) setZone(field, inObject, onJob, fallback string) {
	name, where := onJob, "timezone"
	switch {
	case inObject != "" && onJob != "" && inObject != onJob:
		p.fault(field, "is %s, but the job's timezone is %s: give one of them", quote(inObject), quote(onJob))
		name, where = inObject, field
	case inObject != "":
		name, where = inObject, field
	}
	if name == "" {
		name = fallback
	}
	if name == "" {
		name = fallbackZone
	}
	loc, f := LoadZone(name)
	if f != nil {
		p.fault(where, "%s", f.Detail)
		loc = time.UTC // to go on and find the other faults
	}
	p.zone, p.loc = name, loc
}

// setBounds reads start_date and end_date of a cron or interval object.
func (p *parsing) setBounds(o *object, prefix string) {
	bound := func(name string) (int64, bool) {
		raw := o.take(name)
		if absent(raw) {
			return 0, false
		}
		text, ok := stringValue(raw)
		if !ok {
			p.fault(prefix+name, `must be a string such as "2025-09-20 15:00:00", not %s`, kindOf(raw))
			return 0, false
		}
		at, err := parseInstant(text, p.loc)
		if err != "" {
			p.fault(prefix+name, "%s", err)
			return 0, false
		}
		return at, true
	}
	p.start, p.hasStart = bound("start_date")
	p.end, p.hasEnd = bound("end_date")
}

// maxJitter bounds jitter: a delay of more than a year is a slip of the pen.
const maxJitter = 366 * 24 * 3600

func (p *parsing) setJitter(o *object, prefix string) {
	raw := o.take("jitter")
	if absent(raw) {
		return
	}
	n, err := parseNumber(raw)
	switch {
	case err != "":
		p.fault(prefix+"jitter", "%s", err)
	case n.Sign() < 0:
		p.fault(prefix+"jitter", "must be 0 or more seconds")
	case n.Cmp(ratOf(maxJitter)) > 0:
		p.fault(prefix+"jitter", "must be at most %d seconds (366 days)", maxJitter)
	default:
		p.jitter = roundRat(n.Mul(n, ratOf(1_000_000))).Int64()
	}
}

// objectZone takes the timezone member of a cron or interval object.
func (p *parsing) objectZone(o *object, field string) string {
	raw := o.take("timezone")
	if absent(raw) {
		return ""
	}
	name, ok := stringValue(raw)
	if !ok {
		p.fault(field, `must be an IANA time zone name such as "Asia/Tokyo", not %s`, kindOf(raw))
		return ""
	}
	if name == "" {
		_, f := LoadZone(name)
		p.fault(field, "%s", f.Detail)
	}
	return name
}

// cacheKey is equal for two sources exactly if their rules are equal. No part of it
// can contain the separator: texts are canonical and zone names come from the list.
func (p *parsing) cacheKey() string {
	p.key.Grow(96)
	for _, part := range []string{p.text, p.zone} {
		p.key.WriteString(part)
		p.key.WriteByte('\n')
	}
	num := func(on bool, n int64) {
		if on {
			p.key.WriteString(strconv.FormatInt(n, 36))
		}
		p.key.WriteByte('\n')
	}
	num(true, p.jitter)
	num(p.hasStart, p.start)
	num(p.hasEnd, p.end)
	num(true, p.every)
	num(true, p.runAt)
	return p.key.String()
}

// compile makes the shared rule, once for all equal sources.
func (p *parsing) compile() *rule {
	r := &rule{
		kind: p.kind, zone: p.zone, loc: p.loc, text: p.text, jitter: p.jitter,
		start: p.start, end: p.end, hasStart: p.hasStart, hasEnd: p.hasEnd,
		cron: p.cron, every: p.every, runAt: p.runAt,
	}
	if r.cron != nil {
		r.cron.compile()
	}
	return r
}
