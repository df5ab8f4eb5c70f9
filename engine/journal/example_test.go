package journal_test

import (
	"context"
	"fmt"
	"os"

	"github.com/njia-health/njia/engine/journal"
	"github.com/njia-health/njia/engine/message"
)

func ExampleOpenDisk() {
	dir, err := os.MkdirTemp("", "journal")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	j, err := journal.OpenDisk(dir, journal.DiskOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer j.Close()
	ctx := context.Background()
	e := journal.Entry{Route: "lab-orders", Status: journal.Received, Message: message.Message{ID: "order-1", Body: []byte(`{"code":"718-7"}`)}}
	receipts, err := j.Append(ctx, []journal.Entry{e}) // it is on disk
	if err != nil {
		fmt.Println(err)
		return
	}
	if _, err := j.Resolve(ctx, journal.Resolution{Seq: receipts[0].Seq, Status: journal.Delivered}); err != nil {
		fmt.Println(err)
		return
	}
	s, err := j.Story(ctx, receipts[0].Seq)
	fmt.Println(s.Seq, s.ID, s.Status, string(s.Body), err)
	// Output: 1 order-1 delivered {"code":"718-7"} <nil>
}
