package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/njia-health/njia/console"
	"github.com/njia-health/njia/engine/journal"
)

func retryCommand(a *app, w *where) *cobra.Command {
	b := &bulkFlags{action: "retry"}
	c := &cobra.Command{
		Use:   "retry N… | --all",
		Short: "Run messages again",
		Long: `Retry runs messages again, under the present rules. What has been delivered is not sent again, and calls that have
written are not made again. With --all it is done to every message of the flags, by default to the held, retrying and dead
ones: they are counted first, and --yes says that no question is to be asked.`,
		Example: `  njia messages retry 42 43
  njia messages retry --all --route lab-orders --class transient
  njia messages retry --all --status dead --since 2d --yes`,
		RunE: func(c *cobra.Command, args []string) error { return a.bulk(c.Context(), w, b, args) },
	}
	b.add(c)
	return c
}

func discardCommand(a *app, w *where) *cobra.Command {
	b := &bulkFlags{action: "discard"}
	c := &cobra.Command{
		Use:   "discard N… | --all",
		Short: "End messages for good",
		Long: `Discard ends messages for good: nothing more is sent. It needs a reason, which is kept with the message. With --all it is
done to every message of the flags, by default to the held, retrying and dead ones.`,
		Example: `  njia messages discard 42 --reason 'a test of the laboratory'
  njia messages discard --all --route lab-orders --status dead --reason 'sent by hand'`,
		RunE: func(c *cobra.Command, args []string) error { return a.bulk(c.Context(), w, b, args) },
	}
	b.add(c)
	return c
}

// bulkFlags are what retry and discard take.
type bulkFlags struct {
	action   string
	o        output
	q        filterFlags
	all, yes bool
	reason   string
}

func (b *bulkFlags) add(c *cobra.Command) {
	b.o.add(c)
	b.q.add(c)
	c.Flags().BoolVar(&b.all, "all", false, "all messages that the other flags mean")
	c.Flags().BoolVar(&b.yes, "yes", false, "ask no question")
	c.Flags().StringVar(&b.reason, "reason", "", "why, for the audit trail")
}

// check finds what does not fit together.
func (b *bulkFlags) check(args []string) error {
	switch {
	case len(args) == 0 && !b.all:
		if b.q.given() {
			return usage("add --all", "to %s all messages that the flags mean, say so", b.action)
		}
		return usage(fmt.Sprintf("njia messages %s 42, or --all with flags such as --route", b.action), "no message is named")
	case len(args) > 0 && (b.all || b.q.given()):
		return usage("leave one of them away", "messages are named both by number and by flags")
	case b.action == "discard" && strings.TrimSpace(b.reason) == "":
		return usage("add --reason '…'", "discard needs a reason: it ends messages for good")
	}
	return nil
}

func (a *app) bulk(ctx context.Context, w *where, b *bulkFlags, args []string) error {
	if err := b.check(args); err != nil {
		return err
	}
	client, done, err := a.messagesOf(ctx, w)
	if err != nil {
		return err
	}
	defer done()
	var res console.Result
	var next string // what to do about the last failure
	if b.all {
		res, err = a.overQuery(ctx, client, b)
	} else {
		res, next, err = overNames(ctx, client, b, args)
	}
	if err != nil {
		return asked(err)
	}
	if b.o.json() {
		err = writeJSON(a.out, res)
	} else {
		done := map[string]string{"retry": "again under way", "discard": "discarded"}[b.action]
		fmt.Fprintf(a.out, "%s %s\n", many(res.Done, "message is", "messages are"), done)
	}
	for _, f := range res.Failed {
		fmt.Fprintf(a.err, "%s\n", f.Error)
	}
	if err == nil && len(res.Failed) > 0 {
		return &exit{exitFindings, fmt.Sprintf("not done to %s", many(res.Matched-res.Done, "message", "messages")), next}
	}
	return err
}

// overNames does it to each message that is named.
func overNames(ctx context.Context, client *console.Client, b *bulkFlags, refs []string) (res console.Result, next string, err error) {
	res.Matched = len(refs)
	for _, ref := range refs {
		if b.action == "retry" {
			_, err = client.Retry(ctx, ref, b.reason)
		} else {
			_, err = client.Discard(ctx, ref, b.reason)
		}
		var p *console.Problem
		if errors.As(err, &p) && p.Status != 503 && p.Status != 507 {
			n, _ := strconv.ParseInt(ref, 10, 64)
			res.Failed, next = append(res.Failed, console.Failure{Seq: journal.Seq(n), Error: p.Error()}), p.Hint
			continue
		}
		if err != nil {
			return res, next, err
		}
		res.Done++
	}
	return res, next, nil
}

// overQuery counts, asks, and does it to all.
func (a *app) overQuery(ctx context.Context, client *console.Client, b *bulkFlags) (console.Result, error) {
	req := console.Bulk{Action: b.action, Query: b.q.filter(), All: true, Reason: b.reason, DryRun: true}
	count, err := client.Bulk(ctx, req)
	if err != nil || count.Matched == 0 {
		return console.Result{}, err
	}
	if !b.yes {
		ok, err := a.confirm(fmt.Sprintf("%s %s?", b.action, many(count.Matched, "message", "messages")))
		if err != nil || !ok {
			return console.Result{}, err
		}
	}
	req.DryRun = false
	return client.Bulk(ctx, req)
}

// confirm asks the person at the terminal. Without one, the answer has to be on the command line.
func (a *app) confirm(question string) (bool, error) {
	f, ok := a.in.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return false, usage("add --yes", "%s", question)
	}
	fmt.Fprintf(a.err, "%s [y/N] ", question)
	line, err := bufio.NewReader(a.in).ReadString('\n')
	if err != nil && err != io.EOF {
		return false, err
	}
	switch strings.ToLower(strings.TrimSpace(line)) {
	case "y", "yes":
		return true, nil
	}
	return false, &exit{exitFindings, "nothing was done", ""}
}
