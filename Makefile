# make test is everything that must hold, on a fresh machine that has Go (1.26) and a C compiler for the race detector.
.PHONY: test lint build short bench fuzz
build:
	CGO_ENABLED=0 go build -trimpath -o bin/njia ./cmd/njia

test:
	./.ci/test

short:
	go test ./...

lint:
	./.ci/lint

bench:
	go test -run '^$$' -bench . -benchmem ./engine/... ./adapters/...

fuzz:
	./.ci/fuzz 30s
