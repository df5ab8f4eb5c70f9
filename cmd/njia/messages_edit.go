package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"time"

	"github.com/itchyny/gojq"
	"github.com/spf13/cobra"

	"github.com/njia-health/njia/engine/message"
)

func editCommand(a *app, w *where) *cobra.Command {
	var o output
	var e edit
	c := &cobra.Command{
		Use:   "edit N",
		Short: "Give a message another body and run it again",
		Long: `Edit gives a message another body, from a file, by a jq expression over the present one, or in $EDITOR, and runs it again
under the present rules. The original is kept beside it, and who edited it.`,
		Example: `  njia messages edit 42
  njia messages edit 42 --set '.code.coding[0].code = "1234-5"'
  njia messages edit 42 --file corrected.json --reason 'wrong unit'`,
		Args: takes(1, 1, "N"),
		RunE: func(c *cobra.Command, args []string) error {
			if e.file != "" && e.set != "" {
				return usage("leave one of them away", "the body comes from --file or from --set")
			}
			client, done, err := a.messagesOf(c.Context(), w)
			if err != nil {
				return err
			}
			defer done()
			s, err := client.Message(c.Context(), args[0], true)
			if err != nil {
				return asked(err)
			}
			if !s.HasBody && e.file == "" {
				return failed("give the whole body with --file", "the body of message %s is not kept", args[0])
			}
			body, err := a.edited(c.Context(), s.Body, &e)
			if err != nil {
				return err
			}
			if s.HasBody && bytes.Equal(body, s.Body) {
				return failed(fmt.Sprintf("njia messages retry %s runs it as it is", args[0]), "nothing has changed, so nothing was done")
			}
			if err := sound(s.Body, body, e.force); err != nil {
				return err
			}
			rec, err := client.Edit(c.Context(), args[0], body, e.reason)
			if err != nil {
				return asked(err)
			}
			if o.json() {
				return writeJSON(a.out, rec)
			}
			fmt.Fprintf(a.out, "message %d is again under way with its new body; the original is kept\n", rec.Seq)
			return nil
		},
	}
	o.add(c)
	c.Flags().StringVar(&e.file, "file", "", "file with the new body; - is standard input")
	c.Flags().StringVar(&e.set, "set", "", "jq expression that makes the new body of the present one")
	c.Flags().StringVar(&e.reason, "reason", "", "why, for the audit trail")
	c.Flags().BoolVar(&e.force, "force", false, "also a body that is no JSON where the present one is")
	return c
}

// edit is the flags of the command.
type edit struct {
	file, set, reason string
	force             bool
}

// edited gives the new body.
func (a *app) edited(ctx context.Context, body []byte, e *edit) ([]byte, error) {
	switch {
	case e.set != "":
		return setBody(ctx, body, e.set)
	case e.file == "-":
		return io.ReadAll(a.in)
	case e.file != "":
		b, err := os.ReadFile(e.file)
		if err != nil {
			return nil, usage("give a file that can be read, or - for standard input", "%s cannot be read", e.file)
		}
		return b, nil
	}
	return a.inEditor(ctx, body)
}

// setTime is how long a jq expression may take.
const setTime = 10 * time.Second

// setBody is the one output of a jq expression over body.
func setBody(ctx context.Context, body []byte, set string) ([]byte, error) {
	q, err := gojq.Parse(set)
	var code *gojq.Code
	if err == nil {
		code, err = gojq.Compile(q)
	}
	if err != nil {
		return nil, usage("such as --set '.quantity = 2'", "--set is no jq: %v", err)
	}
	in, err := message.Decode(body)
	if err != nil {
		return nil, failed("use --file or $EDITOR", "the body is no JSON, so jq cannot change it")
	}
	ctx, cancel := context.WithTimeout(ctx, setTime)
	defer cancel()
	it := code.RunWithContext(ctx, in)
	v, ok := it.Next()
	if err, bad := v.(error); bad {
		return nil, failed("try the expression on njia messages show N --body --output json", "--set: %s", short(err.Error(), 120))
	}
	if !ok {
		return nil, failed("the expression gives the whole new body", "--set gives nothing")
	}
	if _, more := it.Next(); more {
		return nil, failed("the expression gives the whole new body, once", "--set gives more than one value")
	}
	return message.Encode(v)
}

// sound refuses a new body that is no JSON where the old one was.
func sound(old, body []byte, force bool) error {
	if force || !json.Valid(old) {
		return nil
	}
	if _, err := message.Decode(body); err != nil {
		return failed("mend it; --force sends it as it is", "the new body is %v", err)
	}
	return nil
}

// inEditor lets a person edit the body in a file that only they can read, and takes the file away.
func (a *app) inEditor(ctx context.Context, body []byte) ([]byte, error) {
	editor := orElse(os.Getenv("VISUAL"), os.Getenv("EDITOR"))
	if editor == "" {
		return nil, usage("use --file or --set, or set EDITOR", "no editor is set in EDITOR")
	}
	dir, err := os.MkdirTemp("", "njia-edit-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	text, isJSON := body, json.Valid(body)
	file := filepath.Join(dir, "body.txt")
	if isJSON {
		file = filepath.Join(dir, "body.json")
		text = []byte(pretty(body) + "\n")
	}
	if err := os.WriteFile(file, text, 0o600); err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, "sh", "-c", editor+` "$1"`, "sh", file)
	if runtime.GOOS == "windows" {
		cmd = exec.CommandContext(ctx, "cmd", "/c", editor+` "`+file+`"`)
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = a.in, a.out, a.err
	if err := cmd.Run(); err != nil {
		return nil, failed("see that EDITOR names a program", "the editor ended with an error, so nothing was done")
	}
	out, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	if bytes.Equal(out, text) {
		return body, nil // as it was, whatever its spaces
	}
	if isJSON {
		out = bytes.TrimRight(out, "\n")
	}
	return out, nil
}
