package odoo

import "slices"

// refusal is an exception that is to come.
type refusal struct {
	model, method string
	left          int
	fault         fault
}

// Refuse makes the next n calls of a method of a model raise an exception, in
// the shape of whatever protocol they come by, and do nothing. class is
// Python's qualified name, such as odoo.exceptions.UserError or
// psycopg2.errors.SerializationFailure. An empty model or method is any.
func (s *Server) Refuse(model, method string, n int, class, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refusals = append(s.refusals, refusal{model, method, n, fault{class, text}})
}

// refused is the exception for a call, nil for none. The caller holds mu.
func (s *Server) refused(model, method string) *fault {
	for i := range s.refusals {
		r := &s.refusals[i]
		if r.left == 0 || r.model != "" && r.model != model || r.method != "" && r.method != method {
			continue
		}
		r.left--
		f := r.fault
		if r.left == 0 {
			s.refusals = slices.Delete(s.refusals, i, i+1)
		}
		return &f
	}
	return nil
}
