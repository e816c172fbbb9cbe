package schedule

import (
	"bytes"
	"strings"
)

// cronMembers are the names that a cron object may have.
var cronMembers = func() []string {
	names := make([]string, 0, fieldCount+4)
	for i := range fields {
		names = append(names, fields[i].name)
	}
	return append(names, "start_date", "end_date", "timezone", "jitter")
}()

// parseCron reads the cron schedule of src: an object or a crontab(5) string.
func (p *parsing) parseCron(src Source, defaultZone string) {
	raw := bytes.TrimSpace(src.Cron)
	switch err := checkRaw(raw); {
	case absent(raw):
		p.setZone("", "", src.Timezone, defaultZone)
		p.fault("cron", `is required when schedule_type is "cron"`)
	case err != "":
		p.setZone("", "", src.Timezone, defaultZone)
		p.fault("cron", "%s", err)
	case raw[0] == '"':
		p.setZone("", "", src.Timezone, defaultZone)
		text, _ := stringValue(raw)
		p.parseCrontab(text)
	case raw[0] == '{':
		o := readObject(raw, p, "cron.")
		p.setZone("cron.timezone", p.objectZone(o, "cron.timezone"), src.Timezone, defaultZone)
		p.setBounds(o, "cron.")
		p.setJitter(o, "cron.")
		p.parseCronFields(o)
	default:
		p.setZone("", "", src.Timezone, defaultZone)
		p.fault("cron", `must be an object such as {"hour": "10", "minute": "30"} or a crontab string such as "30 10 * * *", not %s`, kindOf(raw))
	}
}

// parseCronFields reads APScheduler's eight fields.
func (p *parsing) parseCronFields(o *object) {
	c := &cron{fields: new([fieldCount][]expr)}
	var has [fieldCount]bool
	given := 0
	least := -1 // the least significant field given
	for i := range fields {
		f := &fields[i]
		raw := o.take(f.name)
		if absent(raw) {
			continue
		}
		given++
		least = i
		text, err := fieldText(raw)
		if err != "" {
			p.fault("cron."+f.name, "%s", err)
			continue
		}
		list, errs := parseField(f, text)
		for _, err := range errs {
			p.fault("cron."+f.name, "%s", err)
		}
		if len(errs) == 0 {
			has[i] = true
			c.fields[i] = list
		}
	}
	faults := len(p.faults)
	o.refuseUnknown(p, "cron.", cronMembers)
	if given == 0 && len(p.faults) == faults {
		p.fault("cron", "gives no field; give at least one of year, month, day, week, day_of_week, hour, minute, second")
	}
	if len(p.faults) > 0 {
		return
	}
	var text strings.Builder
	text.WriteString("cron[")
	for i := range fields {
		f := &fields[i]
		switch {
		case has[i]:
			if text.Len() > len("cron[") {
				text.WriteString(", ")
			}
			text.WriteString(f.name + "='" + listText(f, c.fields[i]) + "'")
		case i < least:
			c.fields[i] = []expr{{form: formAll}}
		default:
			c.fields[i], _ = parseField(f, f.initial)
		}
	}
	text.WriteByte(']')
	p.text, p.cron = text.String(), c
}

// fieldText is a field's value as the text that APScheduler makes of it.
func fieldText(raw []byte) (text, err string) {
	raw = bytes.TrimSpace(raw)
	switch kindOf(raw) {
	case "a string":
		text, _ = stringValue(raw)
		return text, ""
	case "a number":
		return numberText(string(raw)), ""
	}
	return "", `must be an integer or a string such as "*/5", not ` + kindOf(raw)
}
