package http

// LinkNext reads the header Link.
func LinkNext(header string) string { return linkNext(header) }

// At follows a JSON pointer.
func At(v any, pointer string) any { return at(v, pointer) }
