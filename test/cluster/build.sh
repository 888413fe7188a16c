#!/usr/bin/env bash
# Builds the programs of a real Kubernetes control plane from Go modules, once: about 10 minutes on 2 cores the first
# time, nothing when they are there. All cores are used. Needs Go 1.25 or later.
#
#   build.sh [DIRECTORY]     default: ${XDG_CACHE_HOME:-~/.cache}/holdgate-testcluster/<version of k8s.io/kubernetes>
#
# The directory is printed on standard output; progress goes to standard error. An interrupted run is taken up where it
# stopped: each program is put in its place only when it is complete.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
version=$(awk '$1 == "k8s.io/kubernetes" {print $2; exit}' "$here/go.mod")
kwok=v0.7.0
bin=${1:-${XDG_CACHE_HOME:-$HOME/.cache}/holdgate-testcluster/$version}
if ! command -v go > /dev/null; then
	echo "build.sh: no Go on the PATH; install Go 1.25 or later, or put the programs into $bin" >&2
	exit 1
fi
mkdir -p "$bin"
cd "$here"
export GOFLAGS=-mod=readonly CGO_ENABLED=0
minor=$(cut -d. -f2 <<< "$version")
stamp="-s -w -X k8s.io/component-base/version.gitVersion=$version -X k8s.io/component-base/version.gitMajor=1"
stamp="$stamp -X k8s.io/component-base/version.gitMinor=$minor"

# `go build -v` names each package as it is compiled: thousands of lines, told as a count so that nobody thinks it hangs.
progress() { # NAME
	awk -v name="$1" '
		/^[^ :]+$/ { if (++n % 250 == 0) { print "  " name ": " n " packages compiled"; fflush() } next }
		{ print; fflush() }' >&2
}
build() { # NAME PACKAGE
	[ -x "$bin/$1" ] && return
	echo "building $1 $version" >&2
	go build -v -trimpath -ldflags "$stamp" -o "$bin/.$1.$$" "$2" 2>&1 | progress "$1"
	mv "$bin/.$1.$$" "$bin/$1"
}
trap 'rm -f "$bin"/.*."$$"' EXIT

build etcd go.etcd.io/etcd/server/v3
build kube-apiserver k8s.io/kubernetes/cmd/kube-apiserver
build kube-controller-manager k8s.io/kubernetes/cmd/kube-controller-manager
build kube-scheduler k8s.io/kubernetes/cmd/kube-scheduler
build kubectl k8s.io/kubernetes/cmd/kubectl

# nodestub is our own, so it changes: what it was built from is kept beside it. (File times would not do: a fresh clone
# is always newer than the cache.)
source=$(cat go.mod nodestub/main.go | cksum)
if [ "$(cat "$bin/nodestub.source" 2> /dev/null)" != "$source" ]; then rm -f "$bin/nodestub"; fi
build nodestub ./nodestub
echo "$source" > "$bin/nodestub.source"

if [ ! -x "$bin/kwok" ]; then
	echo "building kwok $kwok" >&2
	(cd / && GOFLAGS= GOBIN="$bin" go install -ldflags "-s -w" "sigs.k8s.io/kwok/cmd/kwok@$kwok")
fi
echo "$bin"
