package schedule

import (
	"bytes"
	"fmt"
	"math/big"
	"time"
)

var intervalMembers = []string{"weeks", "days", "hours", "minutes", "seconds", "start_date", "end_date", "timezone", "jitter"}

// intervalUnits are seconds in each unit. Time is absolute: a day is 24 hours.
var intervalUnits = []struct {
	name    string
	seconds int64
}{{"weeks", 7 * secondsPerDay}, {"days", secondsPerDay}, {"hours", 3600}, {"minutes", 60}, {"seconds", 1}}

// parseInterval reads the interval schedule of src.
func (p *parsing) parseInterval(src Source, defaultZone string) {
	raw := bytes.TrimSpace(src.Interval)
	err := checkRaw(raw)
	if absent(raw) || err != "" || raw[0] != '{' {
		p.setZone("", "", src.Timezone, defaultZone)
		switch {
		case absent(raw):
			err = `is required when schedule_type is "interval"`
		case err == "":
			err = `must be an object such as {"minutes": 10}, not ` + kindOf(raw)
		}
		p.fault("interval", "%s", err)
		return
	}
	o := readObject(raw, p, "interval.")
	p.setZone("interval.timezone", p.objectZone(o, "interval.timezone"), src.Timezone, defaultZone)
	p.setBounds(o, "interval.")
	p.setJitter(o, "interval.")
	before := len(p.faults)
	short := int64(0)     // microseconds of the units that are short numbers
	total := new(big.Rat) // of the others
	given := 0
	for _, unit := range intervalUnits {
		value := o.take(unit.name)
		if absent(value) {
			continue
		}
		given++
		if n, ok := shortNumber(value); ok {
			short += n * unit.seconds
			continue
		}
		n, err := parseNumber(value)
		switch {
		case err != "":
			p.fault("interval."+unit.name, "%s", err)
		case n.Sign() < 0:
			p.fault("interval."+unit.name, "must not be negative")
		default:
			total.Add(total, n.Mul(n, ratOf(unit.seconds*microsPerSecond)))
		}
	}
	o.refuseUnknown(p, "interval.", intervalMembers)
	if len(p.faults) > before {
		return
	}
	every := big.NewInt(short)
	if total.Sign() != 0 {
		every = roundRat(total.Add(total, ratOf(short)))
	}
	switch {
	case given == 0:
		p.fault("interval", "gives no length; give at least one of weeks, days, hours, minutes, seconds")
	case every.Sign() == 0:
		p.fault("interval", "must be longer than 0 seconds")
	case !every.IsInt64() || every.Int64() > lastMicro:
		p.fault("interval", "can never fire: it is too long")
	default:
		p.every = every.Int64()
		p.text = "interval[" + timedelta(p.every) + "]"
	}
}

// timedelta is a length of time as Python prints one: 0:10:00, 1 day, 0:00:00,
// 7 days, 1:02:03.250000.
func timedelta(micros int64) string {
	days := micros / (secondsPerDay * microsPerSecond)
	rest := micros % (secondsPerDay * microsPerSecond)
	s := rest / microsPerSecond
	text := fmt.Sprintf("%d:%02d:%02d", s/3600, s/60%60, s%60)
	if f := rest % microsPerSecond; f != 0 {
		text += fmt.Sprintf(".%06d", f)
	}
	switch days {
	case 0:
		return text
	case 1:
		return "1 day, " + text
	}
	return fmt.Sprintf("%d days, %s", days, text)
}

// parseRunAt reads the one instant of a date schedule.
func (p *parsing) parseRunAt(raw []byte) {
	if absent(raw) {
		p.fault("run_at", `is required when schedule_type is "date"`)
		return
	}
	if err := checkRaw(raw); err != "" {
		p.fault("run_at", "%s", err)
		return
	}
	text, ok := stringValue(raw)
	if !ok {
		p.fault("run_at", `must be a string such as "2025-09-20T15:00:00+09:00", not %s`, kindOf(raw))
		return
	}
	at, err := parseInstant(text, p.loc)
	if err != "" {
		p.fault("run_at", "%s", err)
		return
	}
	p.runAt = at
	p.text = "date[" + time.UnixMicro(at).In(p.loc).Format("2006-01-02 15:04:05 MST") + "]"
}
