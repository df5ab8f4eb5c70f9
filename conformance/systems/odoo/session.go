package odoo

import (
	"crypto/sha1"
	_ "embed"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/njia-health/njia/conformance/systems/ordered"
)

// sessionInfo is the recorded answer to a log-in of admin.
//
//go:embed data/session_info.json
var sessionInfo []byte

// notFoundPage is the recorded page.
//
//go:embed data/not_found.html
var notFoundPage []byte

const sessionAge = 604800 // seconds

// authenticate answers /web/session/authenticate: params {db, login, password}.
func (s *Server) authenticate(w http.ResponseWriter, r *http.Request) {
	id, params, ok := jsonBody(w, r)
	if !ok {
		return
	}
	if params.Value("db") != s.opts.Database {
		writeJSON(w, id, nil, noDatabase(str(params.Value("db"))))
		return
	}
	u := s.login(str(params.Value("login")), str(params.Value("password")))
	if u == nil {
		writeJSON(w, id, nil, accessDenied())
		return
	}
	session := s.newSession()
	s.sessions[session] = u.id
	s.setSession(w, session)
	writeJSON(w, id, s.sessionInfo(r, u), nil)
}

func (s *Server) newSession() string {
	s.sessionCount++
	return fmt.Sprintf("%x", sha1.Sum(fmt.Append(nil, "session ", s.sessionCount)))
}

func (s *Server) setSession(w http.ResponseWriter, session string) {
	expires := s.opts.Now().Add(sessionAge * time.Second).UTC().Format(http.TimeFormat)
	w.Header().Set("Set-Cookie", fmt.Sprintf("session_id=%s; Expires=%s; Max-Age=%d; HttpOnly; Path=/", session, expires, sessionAge))
}

func (s *Server) sessionInfo(r *http.Request, u *user) *ordered.Map {
	v, err := ordered.Parse(sessionInfo)
	if err != nil {
		panic(err)
	}
	info := v.(*ordered.Map)
	t := s.begin(nil, nil)
	row := t.row("res.users", u.id)
	partner := t.row("res.partner", row["partner_id"].(int64))
	info.Set("uid", u.id)
	info.Value("user_context").(*ordered.Map).Set("uid", u.id)
	info.Set("db", s.opts.Database)
	info.Set("is_system", u.rights == nil)
	info.Set("is_admin", u.rights == nil)
	version := s.version()
	info.Set("server_version", version.Value("server_version"))
	info.Set("server_version_info", version.Value("server_version_info"))
	info.Set("name", partner["name"])
	info.Set("username", u.login)
	info.Set("partner_write_date", partner["write_date"].(time.Time).Format(datetime))
	info.Set("partner_display_name", partner["name"])
	info.Set("partner_id", partner["id"])
	info.Set("web.base.url", "http://"+r.Host)
	return info
}

// callKW answers /web/dataset/call_kw[/model/method]: params {model, method,
// args, kwargs}. Who has no session is told so before the body is read, so the
// answer has no id.
func (s *Server) callKW(w http.ResponseWriter, r *http.Request) {
	session := ""
	if c, err := r.Cookie("session_id"); err == nil {
		session = c.Value
	}
	u := s.users[s.sessions[session]]
	if u == nil {
		writeJSON(w, nil, nil, &fault{"odoo.http.SessionExpiredException", "Session expired"})
		return
	}
	id, params, ok := jsonBody(w, r)
	if !ok {
		return
	}
	args, _ := params.Value("args").([]any)
	kwargs, _ := params.Value("kwargs").(*ordered.Map)
	if kwargs == nil {
		kwargs = &ordered.Map{}
	}
	model := str(params.Value("model"))
	if s.models[model] == nil {
		writeJSON(w, id, nil, keyError(model))
		return
	}
	result, err := s.call(u, model, str(params.Value("method")), args, kwargs)
	if err == nil {
		s.setSession(w, session)
	}
	writeJSON(w, id, result, err)
}

// ExpireSessions ends every web session: the next call answers code 100.
func (s *Server) ExpireSessions() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.sessions)
}

// notFound answers a path that is none, with a session for nobody.
func (s *Server) notFound(w http.ResponseWriter) {
	s.setSession(w, s.newSession())
	w.Header().Set("Content-Type", "text/html;charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(http.StatusNotFound)
	w.Write(notFoundPage)
}

// destroySession answers /web/session/destroy.
func (s *Server) destroySession(w http.ResponseWriter, r *http.Request) {
	id, _, ok := jsonBody(w, r)
	if !ok {
		return
	}
	if c, err := r.Cookie("session_id"); err == nil {
		delete(s.sessions, strings.TrimSpace(c.Value))
	}
	writeJSON(w, id, nil, nil)
}
