package odoo

import (
	"errors"
	"fmt"
	"strings"
)

// fault is a Python exception as a caller gets to see it.
type fault struct {
	class string // qualified: odoo.exceptions.UserError, builtins.ValueError
	text  string
}

func (f *fault) Error() string { return f.class + ": " + f.text }

// The exceptions that Odoo makes. Texts are as recorded unless a place says
// otherwise.
func userError(format string, a ...any) *fault {
	return &fault{"odoo.exceptions.UserError", fmt.Sprintf(format, a...)}
}
func validationError(format string, a ...any) *fault {
	return &fault{"odoo.exceptions.ValidationError", "The operation cannot be completed: " + fmt.Sprintf(format, a...)}
}
func accessError(format string, a ...any) *fault {
	return &fault{"odoo.exceptions.AccessError", fmt.Sprintf(format, a...)}
}
func accessDenied() *fault { return &fault{"odoo.exceptions.AccessDenied", "Access Denied"} }
func valueError(format string, a ...any) *fault {
	return &fault{"builtins.ValueError", fmt.Sprintf(format, a...)}
}
func typeError(format string, a ...any) *fault {
	return &fault{"builtins.TypeError", fmt.Sprintf(format, a...)}
}
func attributeError(format string, a ...any) *fault {
	return &fault{"builtins.AttributeError", fmt.Sprintf(format, a...)}
}
func keyError(key string) *fault { return &fault{"builtins.KeyError", repr(key)} }

// missing is what a write to records that are not there answers.
func missing(model string, uid int64, ids ...int64) *fault {
	list := make([]any, len(ids))
	for i, id := range ids {
		list[i] = id
	}
	return &fault{"odoo.exceptions.MissingError",
		fmt.Sprintf("Record does not exist or has been deleted.\n(Record: %s%s, User: %d)", model, reprTuple(list), uid)}
}

// notNull is PostgreSQL's NotNullViolation as Odoo puts it.
func notNull(modelLabel, model, fieldLabel, field string) *fault {
	return &fault{"odoo.exceptions.ValidationError", fmt.Sprintf("The operation cannot be completed:\n"+
		"- Create/update: a mandatory field is not set.\n"+
		"- Delete: another model requires the record being deleted. If possible, archive it instead.\n\n"+
		"Model: %s (%s)\nField: %s (%s)\n", modelLabel, model, fieldLabel, field)}
}

// foreignKey is PostgreSQL's ForeignKeyViolation as Odoo puts it.
func foreignKey(m *model, field string) *fault {
	return validationError("another model requires the record being deleted. If possible, archive it instead.\n\n"+
		"Model: %s (%s)\nConstraint: %s_%s_fkey\n", m.label, m.name, strings.ReplaceAll(m.name, ".", "_"), field)
}

// noDatabase is what PostgreSQL says to a name that is no database.
func noDatabase(name string) *fault {
	return &fault{"psycopg2.OperationalError",
		fmt.Sprintf("connection to server at \"127.0.0.1\", port 15432 failed: FATAL:  database %q does not exist\n", name)}
}

// asFault is err as an exception; what is none is a fault of the double.
func asFault(err error) *fault {
	if f, ok := errors.AsType[*fault](err); ok {
		return f
	}
	return &fault{"builtins.RuntimeError", "double: " + err.Error()}
}

// is says whether f is of one of the classes of odoo.exceptions.
func (f *fault) is(names ...string) bool {
	for _, n := range names {
		if f.class == "odoo.exceptions."+n {
			return true
		}
	}
	return false
}

// debug is the traceback. Only its first and last lines are like Odoo's.
func (f *fault) debug() string {
	return "Traceback (most recent call last):\n" +
		"  File \"/opt/odoo/srvs/odoo/http.py\", line 1955, in _transactioning\n" +
		"    return service_model.retrying(func, env=self.env)\n" +
		strings.TrimPrefix(f.class, "builtins.") + ": " + f.text + "\n"
}
