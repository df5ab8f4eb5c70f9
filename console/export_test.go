package console

// For tests of what the package keeps to itself.
var (
	FilterOf = filterOf
	Moment   = moment
)
