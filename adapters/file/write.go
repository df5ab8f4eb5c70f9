package file

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"

	"github.com/njia-health/njia/engine/fault"
	"github.com/njia-health/njia/engine/message"
)

// Write is the settings of the operation.
type Write struct {
	Name      string `yaml:"name,required" doc:"name of the file; characters that some file systems refuse become _ and a short hash is added"`
	Dir       string `yaml:"dir" doc:"folder within the system's; it is made where it is missing"`
	Overwrite bool   `yaml:"overwrite" doc:"replace a file of that name; otherwise one with other content is rejected"`
}

// write puts the body into a file that appears complete or not at all: a temporary one, fsync, rename, fsync of the folder.
func (f *folder) write(ctx context.Context, w Write, m message.Message) (message.Message, error) {
	if err := ctx.Err(); err != nil {
		return message.Message{}, trouble("write", err)
	}
	name, err := clean(w.Name)
	if err != nil {
		return message.Message{}, err
	}
	body, err := bodyOf(m)
	if err != nil {
		return message.Message{}, err
	}
	root, err := f.within(w.Dir, true)
	if err != nil {
		return message.Message{}, err
	}
	defer shut(root)
	if err := put(root, name, body, w.Overwrite); err != nil {
		return message.Message{}, trouble("write "+name, err)
	}
	return answer(map[string]any{"name": name, "dir": w.Dir, "size": len(body)}), nil
}

func put(root *os.Root, name string, body []byte, overwrite bool) error {
	if same(root, name, body) {
		return nil
	}
	temp, err := temporary(root, name, body)
	if err != nil {
		return err
	}
	if err := appear(root, temp, name, body, overwrite); err != nil {
		_ = root.Remove(temp) // what failed is said; a file like that is passed over by sources
		return err
	}
	return syncDir(root, ".")
}

// appear gives the temporary file its name.
func appear(root *os.Root, temp, name string, body []byte, overwrite bool) error {
	if overwrite {
		return root.Rename(temp, name)
	}
	err := root.Link(temp, name) // fails if it is there
	if err != nil && !errors.Is(err, fs.ErrExist) {
		if _, err = root.Lstat(name); errors.Is(err, fs.ErrNotExist) { // a file system without links
			return root.Rename(temp, name)
		} else if err == nil {
			err = fs.ErrExist
		}
	}
	if err == nil {
		return root.Remove(temp)
	}
	if errors.Is(err, fs.ErrExist) {
		if same(root, name, body) { // somebody sent it at the same time
			return root.Remove(temp)
		}
		return fault.New(fault.Rejected, "%s is there already with other content; give another name, or overwrite: true", name)
	}
	return err
}

// same says that a file holds just that.
func same(root *os.Root, name string, body []byte) bool {
	info, err := root.Stat(name)
	if err != nil || info.Size() != int64(len(body)) || !info.Mode().IsRegular() {
		return false
	}
	there, err := root.ReadFile(name)
	return err == nil && bytes.Equal(there, body)
}

// temporary makes a file next to where it is to be, under a name that sources pass over.
func temporary(root *os.Root, name string, body []byte) (string, error) {
	var r [6]byte
	rand.Read(r[:])
	temp := "." + name + "." + hex.EncodeToString(r[:]) + ".tmp"
	out, err := root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return "", err
	}
	_, err = io.Copy(out, bytes.NewReader(body))
	if err == nil {
		err = out.Sync()
	}
	if e := out.Close(); err == nil {
		err = e
	}
	if err != nil {
		_ = root.Remove(temp) // what failed is said; a file like that is passed over by sources
		return "", err
	}
	return temp, nil
}

// bodyOf gives the bytes to write.
func bodyOf(m message.Message) ([]byte, error) {
	if m.Body != nil || m.Value == nil {
		return m.Body, nil
	}
	b, err := message.Encode(m.Value)
	return b, fault.As(fault.Bug, err)
}

func answer(v any) message.Message {
	return message.Message{Type: "application/json", Value: v}
}
