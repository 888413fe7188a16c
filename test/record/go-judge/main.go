// Judges our trees and notes by golang.org/x/mod/sumdb: reads one JSON document, answers with another.
package main

import (
	"crypto/rand"
	"encoding/json"
	"os"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type inclusion struct {
	Index int64    `json:"index"`
	Size  int64    `json:"size"`
	Leaf  []byte   `json:"leaf"`
	Root  []byte   `json:"root"`
	Proof [][]byte `json:"proof"`
}

type consistency struct {
	From     int64    `json:"from"`
	To       int64    `json:"to"`
	FromRoot []byte   `json:"fromRoot"`
	ToRoot   []byte   `json:"toRoot"`
	Proof    [][]byte `json:"proof"`
}

type question struct {
	Leaves      [][]byte      `json:"leaves"`
	Inclusion   []inclusion   `json:"inclusion"`
	Consistency []consistency `json:"consistency"`
	Note        string        `json:"note"`
	Vkey        string        `json:"vkey"`
	Skey        string        `json:"skey"`
}

type answer struct {
	// The root of the first n leaves, for n from 1.
	Roots    [][]byte `json:"roots"`
	Problems []string `json:"problems"`
	// What Go read in our note, a note that Go signed with our key, and one with a key of its own.
	Text       string `json:"text"`
	OurKeyNote string `json:"ourKeyNote"`
	GoNote     string `json:"goNote"`
	GoVkey     string `json:"goVkey"`
}

func hashOf(bytes []byte) (hash tlog.Hash) {
	copy(hash[:], bytes)
	return hash
}

func hashesOf(list [][]byte) (hashes []tlog.Hash) {
	for _, bytes := range list {
		hashes = append(hashes, hashOf(bytes))
	}
	return hashes
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func judgeTree(asked question, told *answer) {
	var stored []tlog.Hash
	reader := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		var hashes []tlog.Hash
		for _, index := range indexes {
			hashes = append(hashes, stored[index])
		}
		return hashes, nil
	})
	for n, leaf := range asked.Leaves {
		hashes, err := tlog.StoredHashes(int64(n), leaf, reader)
		must(err)
		stored = append(stored, hashes...)
		root, err := tlog.TreeHash(int64(n)+1, reader)
		must(err)
		told.Roots = append(told.Roots, root[:])
	}
	for _, one := range asked.Inclusion {
		proof := hashesOf(one.Proof)
		if err := tlog.CheckRecord(proof, one.Size, hashOf(one.Root), one.Index, hashOf(one.Leaf)); err != nil {
			told.Problems = append(told.Problems, err.Error())
		}
	}
	for _, one := range asked.Consistency {
		proof := hashesOf(one.Proof)
		if err := tlog.CheckTree(proof, one.To, hashOf(one.ToRoot), one.From, hashOf(one.FromRoot)); err != nil {
			told.Problems = append(told.Problems, err.Error())
		}
	}
}

func judgeNotes(asked question, told *answer) {
	verifier, err := note.NewVerifier(asked.Vkey)
	must(err)
	opened, err := note.Open([]byte(asked.Note), note.VerifierList(verifier))
	must(err)
	told.Text = opened.Text
	ours, err := note.NewSigner(asked.Skey)
	must(err)
	signed, err := note.Sign(&note.Note{Text: opened.Text}, ours)
	must(err)
	told.OurKeyNote = string(signed)
	skey, vkey, err := note.GenerateKey(rand.Reader, strings.TrimSuffix(verifier.Name(), "/ledger")+"/go")
	must(err)
	signer, err := note.NewSigner(skey)
	must(err)
	signed, err = note.Sign(&note.Note{Text: opened.Text}, signer, ours)
	must(err)
	told.GoNote, told.GoVkey = string(signed), vkey
}

func main() {
	var asked question
	must(json.NewDecoder(os.Stdin).Decode(&asked))
	told := answer{Problems: []string{}}
	judgeTree(asked, &told)
	judgeNotes(asked, &told)
	must(json.NewEncoder(os.Stdout).Encode(told))
}
