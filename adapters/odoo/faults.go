package odoo

import (
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/njia-health/njia/engine/fault"
)

// sessionExpired is the JSON-RPC code of a session that is over. [odoo: odoo/http.py]
const sessionExpired = 100

// refusal gives the class of an error that Odoo names by a Python exception, such as odoo.exceptions.UserError.
func refusal(what string, r reply, code int, name, text string) error {
	e := &fault.Error{Status: r.status, Answer: r.body, RetryAfter: retryAfter(r.header)}
	short := name[strings.LastIndexByte(name, '.')+1:]
	e.Class = classOf(short, text)
	if code == sessionExpired {
		e.Class = fault.Unauthorized
	}
	e.Text = what + ": " + explain(e.Class, short, text)
	return e
}

// transientNames are exceptions that go away by themselves: Odoo or its database is busy, or something that Odoo itself
// calls does not answer.
var transientNames = []string{
	"SerializationFailure", "LockNotAvailable", "DeadlockDetected", "TransactionRollbackError", "TransactionRollback",
	"OperationalError", "InterfaceError", "QueryCanceled", "QueryCanceledError", "AdminShutdown", "PoolError",
	"TooManyConnections", "MemoryError", "ConnectionError", "ConnectTimeout", "ReadTimeout", "Timeout", "ReadOnlySqlTransaction",
}

// transientTexts name the same where only a text is given.
var transientTexts = []string{
	"could not serialize access", "could not obtain lock", "deadlock detected", "canceling statement due to",
	"connection pool is full", "too many connections", "too many clients", "the database system is", "server closed the connection",
	"time limit", "registry is not", "concurrent update",
}

// classOf is the class of an exception, by its name without the module, and its text.
func classOf(short, text string) fault.Class {
	low := strings.ToLower(text)
	switch short {
	case "SessionExpiredException", "AccessDenied":
		return fault.Unauthorized
	case "AccessError", "UserError", "ValidationError", "MissingError", "RedirectWarning", "except_orm", "Warning":
		return fault.Rejected
	}
	if noDatabase(low) {
		return fault.Unauthorized
	}
	for _, n := range transientNames {
		if short == n {
			return fault.Transient
		}
	}
	for _, t := range transientTexts {
		if strings.Contains(low, t) {
			return fault.Transient
		}
	}
	return fault.Rejected
}

// noDatabase says that the text is about a database that is not there; it is lower case.
func noDatabase(low string) bool {
	return strings.Contains(low, "fatal:") && strings.Contains(low, `database "`) && strings.Contains(low, "does not exist") ||
		strings.Contains(low, "database not found") || strings.Contains(low, "keyerror: 'db_name'")
}

// explain is what an operator reads of an exception.
func explain(c fault.Class, short, text string) string {
	text = tidy(text)
	switch {
	case short == "AccessError":
		return "the Odoo user may not do this: " + text
	case noDatabase(strings.ToLower(text)):
		return "Odoo does not have this database; check database in the system document"
	case c == fault.Unauthorized && short == "SessionExpiredException":
		return "Odoo no longer knows the session"
	case c == fault.Unauthorized:
		return "Odoo refuses the credentials: check username and password or key"
	case c == fault.Transient:
		return "Odoo or its database is busy: " + text
	case text == "":
		return "Odoo refused it without saying why"
	}
	return text
}

// masks hide values in messages about values: what is left names the field and what is wrong with it.
var masks = []struct {
	find *regexp.Regexp
	give string
}{
	{regexp.MustCompile(`(Key \([^)]*\))=\([^)]*\)`), "$1=(…)"},                   // PostgreSQL's detail of a unique constraint
	{regexp.MustCompile(`^(Wrong value for [\w.]+): .*`), "$1"},                   // odoo/fields.py
	{regexp.MustCompile(`^(could not convert string to float): .*`), "$1"},        // Python float()
	{regexp.MustCompile(`^(invalid literal for int\(\) with base 10): .*`), "$1"}, // Python int()
	{regexp.MustCompile(`^time data .* (does not match format)`), "a date or time $1"},
	{regexp.MustCompile(`^(Invalid leaf) .*`), "$1 in the domain"},
	{regexp.MustCompile(`^(Invalid field \S+) in leaf .*`), "$1 in the domain"},
	{regexp.MustCompile(`^(unconverted data remains): .*`), "$1"},
	{regexp.MustCompile(`DETAIL: .*`), ""},
}

const maxText = 400 // letters of Odoo's own text in ours

// tidy puts a message on one line, without values where it is known that they stand in it, and not too long.
func tidy(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	for _, m := range masks {
		text = m.find.ReplaceAllString(text, m.give)
	}
	text = strings.TrimSpace(text)
	if utf8.RuneCountInString(text) > maxText {
		text = string([]rune(text)[:maxText-1]) + "…"
	}
	return text
}

// exceptionLine finds the exception in a Python traceback: "odoo.exceptions.UserError: text" on its last line that is not
// indented. The name is "" where text is no traceback.
func exceptionLine(text string) (name, message string) {
	if !strings.Contains(text, "Traceback (most recent call last)") {
		return "", text
	}
	lines := strings.Split(strings.TrimRight(text, " \r\n"), "\n")
	for i := len(lines) - 1; i >= 0; i-- {
		if m := exception.FindStringSubmatch(lines[i]); m != nil {
			rest := append([]string{m[2]}, lines[i+1:]...)
			return m[1], strings.TrimSpace(strings.Join(rest, "\n"))
		}
	}
	return "", lines[len(lines)-1]
}

var exception = regexp.MustCompile(`^([A-Za-z_][\w.]*(?:Error|Exception|Denied|Failure|Warning|Available|Detected|Violation|Timeout|Shutdown|Expired|except_orm|Canceled|KeyboardInterrupt|\.\w+))(?:: ?(.*))?$`)
