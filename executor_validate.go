package main

import (
	"cmp"
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"

	"teiki/internal/egress"
	"teiki/internal/schedule"
	"teiki/internal/secret"
	"teiki/internal/template"
	"teiki/internal/webhook"
)

// callEnv is what a definition's call part is judged against.
type callEnv struct {
	secrets *secret.Source
	egress  *egress.Policy
}

// env is what definitions are judged against that this executor will call.
func (e *Executor) env() callEnv { return callEnv{e.secrets, e.egress} }

// Bounds of a definition's call part.
const (
	maxTimeoutSec  = 24 * 60 * 60
	maxBackoffSec  = 30 * 24 * 60 * 60
	maxRetriesMost = 1000
	maxHeaderBytes = 32 << 10
	maxFollow      = 10
	maxConditions  = 50
)

// methods are those that a job may use.
var methods = []string{"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"}

// validateCall gives every fault of the call part of a new or changed definition, each with the JSON path of its field. A
// definition without a fault can be sent, as far as that can be known before the call. The method is checkMethod's.
func validateCall(d *Definition, env callEnv) []schedule.Fault {
	c := compile("job", d)
	p := c.p
	c.limits(d)
	c.retryOn(d)
	if env.egress != nil && p.target != nil {
		c.reachable("target_url", d.TargetURL, env.egress)
	}
	if d.Auth != nil && d.Auth.OAuth2 != nil && env.egress != nil {
		c.reachable("auth.oauth2.token_url", d.Auth.OAuth2.TokenURL, env.egress)
	}
	c.masked(d)
	c.secretsKnown(d, env.secrets)
	return p.faults
}

func (c *compiler) limits(d *Definition) {
	number := func(field string, v *float64, over, most float64, orZero bool) {
		if v == nil {
			return
		}
		if math.IsNaN(*v) || *v > most || *v < over || *v == over && !orZero {
			than := "more than"
			if orZero {
				than = "at least"
			}
			c.fault(field, "must be %s %g and at most %g", than, over, most)
		}
	}
	number("timeout_sec", d.TimeoutSec, 0, maxTimeoutSec, false)
	number("connect_timeout_sec", d.ConnectTimeoutSec, 0, maxTimeoutSec, false)
	number("first_byte_timeout_sec", d.FirstByteTimeoutSec, 0, maxTimeoutSec, false)
	number("retry_backoff_sec", d.RetryBackoffSec, 0, maxBackoffSec, true)
	number("retry_multiplier", d.RetryMultiplier, 1, 100, true)
	number("retry_max_backoff_sec", d.RetryMaxBackoffSec, 0, maxBackoffSec, false)
	number("retry_jitter", d.RetryJitter, 0, 1, true)
	number("retry_budget_sec", d.RetryBudgetSec, 0, maxBackoffSec*12, false)
	if n := d.MaxRetries; n != nil && (*n < 0 || *n > maxRetriesMost) {
		c.fault("max_retries", "must be from 0 to %d", maxRetriesMost)
	}
	if r := d.Redirects; r != nil && (r.Follow < 0 || r.Follow > maxFollow) {
		c.fault("redirects.follow", "must be from 0 to %d", maxFollow)
	}
	if len(d.SigningSecret) > 2 {
		c.fault("signing_secret", "must be one secret, or two while they rotate")
	}
	if s := d.Success; s != nil && (len(s.Status) > maxConditions || len(s.JSON) > maxConditions) {
		c.fault("success", "has more than %d conditions", maxConditions)
	}
	total := 0
	for k, v := range d.Headers {
		total += len(k) + len(v)
	}
	if total > maxHeaderBytes {
		c.fault("headers", "are %d bytes together, more than %d", total, maxHeaderBytes)
	}
}

func (c *compiler) retryOn(d *Definition) {
	for i, class := range d.RetryOn {
		if slices.Contains(retryOn, class) {
			continue
		}
		if r, ok := parseStatus(class); ok && (r.from == r.to || strings.HasSuffix(class, "xx")) {
			continue
		}
		c.fault("retry_on["+strconv.Itoa(i)+"]", `%q must be one of %s, or a status such as "5xx" or "429"`, class, strings.Join(retryOn, ", "))
	}
}

// reachable refuses early what the dialer would refuse for sure.
func (c *compiler) reachable(field, raw string, p *egress.Policy) {
	t, wrong := compileTarget(raw)
	if wrong != "" {
		return // told already
	}
	u := t.fixed
	if u == nil {
		u, _, _ = parseTarget(blank(raw, t.text))
	}
	port, err := strconv.ParseUint(portOf(u), 10, 16)
	if err != nil {
		return
	}
	if err := p.CheckHost(u.Hostname(), uint16(port)); err != nil {
		c.fault(field, "is refused (egress_denied): %v", err)
	}
}

// masked refuses a definition that was read from an answer and sent back: its credentials would be lost.
func (c *compiler) masked(d *Definition) {
	for field, v := range credentialFields(d) {
		if strings.TrimSpace(v) == secret.Mask {
			c.fault(field, "is the mask that answers show in place of a credential; send the credential itself, or {{secret.NAME}}")
		}
	}
}

// credentialFields are the string fields that answers may show masked.
func credentialFields(d *Definition) map[string]string {
	fields := make(map[string]string)
	for k, v := range d.Headers {
		fields["headers."+k] = v
	}
	for k, v := range d.BodyForm {
		fields["body_form."+k] = v
	}
	for i, s := range d.SigningSecret {
		fields[signingField(d, i)] = s
	}
	if a := d.Auth; a != nil {
		fields["auth.bearer"] = a.Bearer
		if a.Basic != nil {
			fields["auth.basic.password"] = a.Basic.Password
		}
		if a.OAuth2 != nil {
			fields["auth.oauth2.client_secret"] = a.OAuth2.ClientSecret
		}
	}
	eachCredential(d.Body, func(_, _ int, v string) {
		if v == secret.Mask {
			fields["body"] = v
		}
	})
	if redactURL(d.TargetURL) == d.TargetURL && strings.Contains(d.TargetURL, secret.Mask) {
		fields["target_url"] = secret.Mask
	}
	return fields
}

// secretsKnown refuses unknown secrets in the field that names them, and signing secrets that can't sign.
func (c *compiler) secretsKnown(d *Definition, secrets *secret.Source) {
	slices.SortFunc(c.secrets, func(a, b secretUse) int {
		return cmp.Or(strings.Compare(a.field, b.field), strings.Compare(a.name, b.name))
	})
	for _, use := range slices.Compact(c.secrets) {
		if _, err := secrets.Lookup(use.name); err != nil {
			c.fault(use.field, "%v", err)
		}
	}
	for i, text := range d.SigningSecret {
		t, err := template.Parse(text)
		if err != nil {
			continue
		}
		key, err := t.Append(nil, &template.Vars{JobID: "job", RunID: "run", Secret: secrets.Lookup}, nil)
		if err == nil {
			_, err = webhook.ParseSecret(string(key))
		}
		if err != nil && !errors.Is(err, secret.ErrUnknown) {
			c.fault(signingField(d, i), "%v", err)
		}
	}
}
