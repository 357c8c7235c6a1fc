package bmc

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"
)

const (
	// maxSessions at a time; the one that was idle longest gives way to a new one.
	maxSessions = 16
	// idle is how long a session lives without being used.
	idle = 30 * time.Minute
)

// sessions are kept in memory: a client whose session is gone makes another.
type sessions struct {
	mu   sync.Mutex
	byID map[string]*session
}

type session struct {
	id    string
	token [sha256.Size]byte
	used  time.Time
}

func newSessions() *sessions { return &sessions{byID: map[string]*session{}} }

// begin gives a new session's id and token.
func (s *sessions) begin(now time.Time) (id, token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expire(now)
	if len(s.byID) >= maxSessions {
		oldest := slices.MinFunc(slices.Collect(maps.Values(s.byID)), func(a, b *session) int { return a.used.Compare(b.used) })
		delete(s.byID, oldest.id)
	}
	id, token = rand.Text(), rand.Text()
	s.byID[id] = &session{id: id, token: sha256.Sum256([]byte(token)), used: now}
	return id, token
}

func (s *sessions) expire(now time.Time) {
	maps.DeleteFunc(s.byID, func(_ string, one *session) bool { return now.Sub(one.used) > idle })
}

// valid tells whether a token is that of a session, which it keeps alive.
func (s *sessions) valid(token string, now time.Time) bool {
	sum := sha256.Sum256([]byte(token))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expire(now)
	for _, one := range s.byID {
		if subtle.ConstantTimeCompare(one.token[:], sum[:]) == 1 {
			one.used = now
			return true
		}
	}
	return false
}

func (s *sessions) ids() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.byID))
}

func (s *sessions) has(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.byID[id] != nil
}

func (s *sessions) finish(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.byID, id)
}

func (c *Controller) authenticated(r *http.Request) bool {
	if token := r.Header.Get("X-Auth-Token"); token != "" {
		return c.sessions.valid(token, time.Now())
	}
	user, password, sent := r.BasicAuth()
	return sent && c.knows(user, password)
}

// knows compares sums, so that neither length nor content shows in the time it takes.
func (c *Controller) knows(user, password string) bool {
	same := func(a, b string) int {
		x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
		return subtle.ConstantTimeCompare(x[:], y[:])
	}
	return same(user, c.config.User)&same(password, c.config.Password) == 1
}

func (c *Controller) login(w http.ResponseWriter, r *http.Request) {
	members, refused := read(w, r)
	if refused != nil {
		refused.send(w)
		return
	}
	var user, password string
	for name, into := range map[string]*string{"UserName": &user, "Password": &password} {
		if json.Unmarshal(members[name], into) != nil {
			say(http.StatusBadRequest, "PropertyMissing", "a session needs UserName and Password", "add "+name, name).about(name).send(w)
			return
		}
	}
	if !c.knows(user, password) {
		unauthenticated().send(w)
		return
	}
	id, token := c.sessions.begin(time.Now())
	w.Header().Set("X-Auth-Token", token)
	w.Header().Set("Location", sessionsPath+"/"+id)
	show(w, r, http.StatusCreated, c.showSession(id))
}

func (c *Controller) listSessions(w http.ResponseWriter, r *http.Request) {
	var paths []string
	for _, id := range c.sessions.ids() {
		paths = append(paths, sessionsPath+"/"+id)
	}
	show(w, r, http.StatusOK, collection(sessionsPath, "SessionCollection", "Sessions", paths...))
}

// session gives what can be done to one session; false where there is none.
func (c *Controller) session(id string) (methods, bool) {
	if !c.sessions.has(id) {
		return nil, false
	}
	return methods{
		http.MethodGet: func(w http.ResponseWriter, r *http.Request) { show(w, r, http.StatusOK, c.showSession(id)) },
		http.MethodDelete: func(w http.ResponseWriter, _ *http.Request) {
			c.sessions.finish(id)
			w.WriteHeader(http.StatusNoContent)
		},
	}, true
}

func (c *Controller) showSession(id string) any {
	return struct {
		head
		UserName string
	}{headOf(sessionsPath+"/"+id, "Session.v1_7_0.Session", id, "Session"), c.config.User}
}
