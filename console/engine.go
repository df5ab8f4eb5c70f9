package console

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/njia-health/njia/engine/diag"
)

func (a *api) status(w http.ResponseWriter, r *http.Request) {
	s, err := a.e.Status(r.Context())
	if err != nil {
		fail(w, "", err)
		return
	}
	var source func(string) []byte
	if set := a.e.Set(); set != nil {
		source = func(file string) []byte { return set.Rules.Files[file] }
	}
	answer(w, statusOf(s, source))
}

// reload reads the rule set again. A set that is wrong is an answer and no failure: it lists what is wrong.
func (a *api) reload(w http.ResponseWriter, r *http.Request) {
	err := read(w, r, maxRequest, &struct{}{})
	if err == nil && a.o.Reload == nil {
		err = &Problem{Status: 501, Title: "no reload", Detail: "this engine cannot read its rules again", Hint: "start it anew"}
	}
	if err == nil {
		err = a.ready()
	}
	if err != nil {
		fail(w, "", err)
		return
	}
	answer(w, a.o.Reload(context.WithoutCancel(r.Context())))
}

func (a *api) runNow(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	err := read(w, r, maxRequest, &struct{}{})
	if err == nil {
		err = a.ready()
	}
	if err == nil {
		set := a.e.Set()
		if set.Plans[name] == nil {
			err = &Problem{Status: 404, Title: "no such route", Detail: "there is no route " + name, Hint: diag.DidYouMean(name, slices.Collect(maps.Keys(set.Plans)))}
		} else if set.Sources[name] == nil {
			err = &Problem{Status: 409, Title: "the route is off", Detail: "route " + name + " is not enabled", Hint: "take enabled: false out of its document"}
		} else if e := a.e.Nudge(name); e != nil {
			err = &Problem{Status: 409, Title: "not running", Detail: e.Error(), Hint: "njia status says why"}
		}
	}
	if err != nil {
		fail(w, "", err)
		return
	}
	answer(w, map[string]string{"route": name})
}

// systemChange is the request of pause and resume.
type systemChange struct {
	Reason string `json:"reason"`
}

func (a *api) pause(w http.ResponseWriter, r *http.Request) {
	a.system(w, r, func(name, reason string) error {
		if strings.TrimSpace(reason) == "" {
			reason = "no reason given"
		}
		return a.e.PauseSystem(context.WithoutCancel(r.Context()), name, who(r), reason)
	})
}

func (a *api) resume(w http.ResponseWriter, r *http.Request) {
	a.system(w, r, func(name, _ string) error { return a.e.ResumeSystem(context.WithoutCancel(r.Context()), name, who(r)) })
}

func (a *api) system(w http.ResponseWriter, r *http.Request, do func(name, reason string) error) {
	name := r.PathValue("name")
	var c systemChange
	err := read(w, r, maxRequest, &c)
	if err == nil {
		err = a.ready()
	}
	if err == nil {
		if set := a.e.Set(); set.Systems[name] == nil {
			err = &Problem{Status: 404, Title: "no such system", Detail: "there is no system " + name, Hint: diag.DidYouMean(name, slices.Collect(maps.Keys(set.Systems)))}
		} else if doc := set.Systems[name].Doc; doc != nil && doc.Enabled != nil && !*doc.Enabled {
			err = &Problem{Status: 409, Title: "the system is off", Detail: "system " + name + " is not enabled", Hint: "take enabled: false out of its document"}
		} else {
			err = do(name, c.Reason)
		}
	}
	if err != nil {
		fail(w, "", err)
		return
	}
	s, err := a.e.Status(r.Context())
	if err != nil {
		fail(w, "", err)
		return
	}
	for _, sys := range statusOf(s, nil).Systems {
		if sys.Name == name {
			answer(w, sys)
			return
		}
	}
	answer(w, map[string]string{"name": name})
}
