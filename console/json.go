package console

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/njia-health/njia/engine/diag"
)

// Text is the content of a message in JSON: a string where it is UTF-8, else {"base64": "…"}.
type Text []byte

// MarshalJSON writes it.
func (t Text) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	var err error
	if utf8.Valid(t) {
		err = e.Encode(string(t))
	} else {
		err = e.Encode(map[string]string{"base64": base64.StdEncoding.EncodeToString(t)})
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

// UnmarshalJSON reads it.
func (t *Text) UnmarshalJSON(b []byte) error {
	var s *string
	if err := json.Unmarshal(b, &s); err == nil {
		*t = nil
		if s != nil {
			*t = Text(*s)
		}
		return nil
	}
	var enc struct {
		Base64 *string `json:"base64"`
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&enc); err != nil || enc.Base64 == nil {
		return errors.New(`a body is text, or {"base64": "…"}`)
	}
	raw, err := base64.StdEncoding.DecodeString(*enc.Base64)
	if err != nil {
		return errors.New("the body is not base64")
	}
	*t = raw
	return nil
}

// Duration is a time.Duration in JSON as the rules write it, such as "1.5s".
type Duration time.Duration

// MarshalText writes it.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText reads it.
func (d *Duration) UnmarshalText(b []byte) error {
	v, err := time.ParseDuration(string(b))
	*d = Duration(v)
	return err
}

// decode reads one JSON document into v, strictly, and says what is wrong without quoting it: it may be patient data.
func decode(b []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	err := d.Decode(v)
	if err == nil {
		if _, err := d.Token(); err != io.EOF {
			return badRequest("", "something follows after the JSON document has ended")
		}
		return nil
	}
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		return badRequest("", "the request is not JSON: it goes wrong at byte %d", syntax.Offset)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return badRequest("", "the request is not JSON: it ends too early")
	case errors.As(err, &kind) && kind.Field != "":
		return badRequest("", "%s is %s, which it cannot be", kind.Field, jsonWord(kind.Value))
	case errors.As(err, &kind):
		return badRequest("send an object, such as {\"reason\": \"…\"}", "the request is %s", jsonWord(kind.Value))
	}
	if _, name, ok := strings.Cut(err.Error(), "unknown field "); ok {
		name = strings.Trim(name, `"`)
		return badRequest(diag.DidYouMean(name, fieldNames(v)), "there is no field %q", name)
	}
	return badRequest("", "%s", strings.TrimPrefix(err.Error(), "json: "))
}

func jsonWord(v string) string {
	if word, _, ok := strings.Cut(v, " "); ok {
		v = word
	}
	switch v {
	case "array":
		return "a list"
	case "bool":
		return "true or false"
	case "object":
		return "an object"
	}
	return fmt.Sprintf("a %s", v)
}

// fieldNames are the JSON names of a struct and of the structs in it.
func fieldNames(v any) []string {
	t := reflect.TypeOf(v)
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return nil
	}
	var out []string
	for f := range t.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name != "" && name != "-" {
			out = append(out, name)
		}
		if f.Type.Kind() == reflect.Struct {
			out = append(out, fieldNames(reflect.Zero(f.Type).Interface())...)
		}
	}
	return out
}
