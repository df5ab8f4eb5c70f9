package file

import (
	"crypto/sha256"
	"encoding/hex"
	"path/filepath"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/njia-health/njia/engine/fault"
)

// maxName is the longest file name in bytes: file systems take 255, and a temporary file adds to it.
const maxName = 200

// clean gives a name that every file system takes. Where that changes it, a part of its hash is added, so that two names
// never become one.
func clean(name string) (string, error) {
	if !utf8.ValidString(name) || strings.Trim(name, ". ") == "" {
		return "", fault.New(fault.Rejected, "%q is no file name; check name: in the rule", name)
	}
	out := strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || strings.ContainsRune(`/\:*?"<>|`, r) || unicode.Is(unicode.Bidi_Control, r) {
			return '_'
		}
		return r
	}, name)
	out = strings.TrimRight(out, ". ")
	if strings.HasPrefix(out, ".") { // sources pass such files over
		out = "_" + out[1:]
	}
	stem, _, _ := strings.Cut(strings.ToLower(out), ".")
	if reserved(strings.TrimSpace(stem)) {
		out = "_" + out
	}
	if out == name && len(out) <= maxName {
		return out, nil
	}
	sum := sha256.Sum256([]byte(name))
	mark := "~" + hex.EncodeToString(sum[:4])
	ext := filepath.Ext(out)
	if len(ext) > 20 {
		ext = ""
	}
	stem = strings.TrimSuffix(out, ext)
	if most := maxName - len(mark) - len(ext); len(stem) > most {
		stem = strings.ToValidUTF8(stem[:most], "")
	}
	return stem + mark + ext, nil
}

// insert puts text before the extension.
func insert(name, text string) string {
	ext := filepath.Ext(name)
	if ext == name {
		ext = ""
	}
	return strings.TrimSuffix(name, ext) + text + ext
}

// reserved says that Windows takes the name for a device.
func reserved(stem string) bool {
	switch stem {
	case "con", "prn", "aux", "nul":
		return true
	}
	return len(stem) == 4 && (strings.HasPrefix(stem, "com") || strings.HasPrefix(stem, "lpt")) && stem[3] >= '1' && stem[3] <= '9'
}
