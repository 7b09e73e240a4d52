// Judges logs and proofs with the Go team's own sumdb packages: nothing here hashes or checks a signature by itself.
//
//	judge VKEY tiles  FOLDER…   a whole tlog-tiles log: note, every tile up to the root, every entry; FOLDER may be a URL,
//	                            read with the bearer token in JUDGE_TOKEN
//	judge VKEY proof  FOLDER…   entry, tlog-proof: one entry and its inclusion proof
//	judge VKEY growth FOLDER…   old, growth, checkpoint: an older size and root, and the proof that the log only grew
//
// One line for each folder: accepted or refused, tab, the folder, tab, why.
package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const (
	height = 8
	width  = 1 << height
)

func main() {
	verifier, err := note.NewVerifier(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	judges := map[string]func(string, note.Verifier) error{"tiles": judgeTiles, "proof": judgeProof, "growth": judgeGrowth}
	judge, known := judges[os.Args[2]]
	if !known {
		fmt.Fprintln(os.Stderr, "tiles, proof or growth")
		os.Exit(2)
	}
	for _, folder := range os.Args[3:] {
		if err := judge(folder, verifier); err != nil {
			fmt.Printf("refused\t%s\t%v\n", folder, err)
		} else {
			fmt.Printf("accepted\t%s\t\n", folder)
		}
	}
}

// openTree checks the note and returns the tree that it seals.
func openTree(content []byte, verifier note.Verifier) (tlog.Tree, error) {
	opened, err := note.Open(content, note.VerifierList(verifier))
	if err != nil {
		return tlog.Tree{}, err
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) != 4 || lines[0] != verifier.Name() {
		return tlog.Tree{}, errors.New("no checkpoint of this log")
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil {
		return tlog.Tree{}, err
	}
	root, err := tlog.ParseHash(lines[2])
	return tlog.Tree{N: size, Hash: root}, err
}

// A folder of tiles, laid out as c2sp.org/tlog-tiles says.
type folder string

func (folder) Height() int                     { return height }
func (folder) SaveTiles([]tlog.Tile, [][]byte) {}

func (f folder) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	contents := make([][]byte, len(tiles))
	for i, tile := range tiles {
		content, err := f.read(strconv.Itoa(tile.L), tile.N, tile.W)
		if err != nil {
			return nil, err
		}
		contents[i] = content
	}
	return contents, nil
}

func (f folder) read(level string, n int64, w int) ([]byte, error) {
	path := fmt.Sprintf("%03d", n%1000)
	for n >= 1000 {
		n /= 1000
		path = fmt.Sprintf("x%03d/%s", n%1000, path)
	}
	if w < width {
		path += ".p/" + strconv.Itoa(w)
	}
	return f.get("tile/" + level + "/" + path)
}

// get returns a file of the folder, or what its URL answers.
func (f folder) get(path string) ([]byte, error) {
	if !strings.HasPrefix(string(f), "http://") {
		return os.ReadFile(filepath.Join(string(f), filepath.FromSlash(path)))
	}
	request, err := http.NewRequest("GET", string(f)+"/"+path, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer "+os.Getenv("JUDGE_TOKEN"))
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", path, answer.Status)
	}
	return io.ReadAll(answer.Body)
}

func judgeTiles(name string, verifier note.Verifier) error {
	content, err := folder(name).get("checkpoint")
	if err != nil {
		return err
	}
	tree, err := openTree(content, verifier)
	if err != nil {
		return err
	}
	hashes := tlog.TileHashReader(tree, folder(name))
	made := store{}
	for first := int64(0); first < tree.N; first += width {
		if err := judgeEntries(folder(name), hashes, first, min(width, tree.N-first), &made); err != nil {
			return err
		}
	}
	return judgeMade(folder(name), made, tree)
}

// store holds the hashes of a tree that is built again from the entries alone.
type store []tlog.Hash

func (s store) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	hashes := make([]tlog.Hash, len(indexes))
	for i, index := range indexes {
		hashes[i] = s[index]
	}
	return hashes, nil
}

// judgeMade compares root and tiles with those built from the entries. TileHashReader alone does not do: up to x/mod
// v0.33 at least it passes over the parents of tiles when the tree's edge shares tiles.
func judgeMade(name folder, made store, tree tlog.Tree) error {
	root, err := tlog.TreeHash(tree.N, made)
	if err != nil {
		return err
	}
	if root != tree.Hash {
		return errors.New("the entries lead to another root")
	}
	for _, tile := range tlog.NewTiles(height, 0, tree.N) {
		due, err := tlog.ReadTileData(tile, made)
		if err != nil {
			return err
		}
		stored, err := name.read(strconv.Itoa(tile.L), tile.N, tile.W)
		if err != nil {
			return err
		}
		if !bytes.Equal(due, stored) {
			return fmt.Errorf("tile %d/%d is another", tile.L, tile.N)
		}
	}
	return nil
}

// judgeEntries compares the entries of one bundle with the leaf hashes, which lead to the root.
func judgeEntries(name folder, hashes tlog.HashReader, first, count int64, made *store) error {
	bundle, err := name.read("entries", first/width, int(count))
	if err != nil {
		return err
	}
	indexes := make([]int64, count)
	for i := range indexes {
		indexes[i] = tlog.StoredHashIndex(0, first+int64(i))
	}
	leaves, err := hashes.ReadHashes(indexes)
	if err != nil {
		return err
	}
	for i, leaf := range leaves {
		if len(bundle) < 2 || len(bundle)-2 < int(binary.BigEndian.Uint16(bundle)) {
			return fmt.Errorf("entry %d is cut", first+int64(i))
		}
		stop := 2 + int(binary.BigEndian.Uint16(bundle))
		if tlog.RecordHash(bundle[2:stop]) != leaf {
			return fmt.Errorf("entry %d is another", first+int64(i))
		}
		grown, err := tlog.StoredHashesForRecordHash(first+int64(i), leaf, made)
		if err != nil {
			return err
		}
		*made = append(*made, grown...)
		bundle = bundle[stop:]
	}
	if len(bundle) != 0 {
		return fmt.Errorf("bytes after entry %d", first+count-1)
	}
	return nil
}

func readHashes(lines []string) ([]tlog.Hash, error) {
	hashes := []tlog.Hash{}
	for _, line := range lines {
		hash, err := tlog.ParseHash(line)
		if err != nil {
			return nil, err
		}
		hashes = append(hashes, hash)
	}
	return hashes, nil
}

func judgeProof(name string, verifier note.Verifier) error {
	entry, err := os.ReadFile(filepath.Join(name, "entry"))
	if err != nil {
		return err
	}
	content, err := os.ReadFile(filepath.Join(name, "tlog-proof"))
	if err != nil {
		return err
	}
	head, signed, _ := bytes.Cut(content, []byte("\n\n"))
	tree, err := openTree(signed, verifier)
	if err != nil {
		return err
	}
	lines := strings.Split(string(head), "\n")
	if len(lines) < 2 || lines[0] != "c2sp.org/tlog-proof@v1" || !strings.HasPrefix(lines[1], "index ") {
		return errors.New("no tlog-proof")
	}
	index, err := strconv.ParseInt(lines[1][len("index "):], 10, 64)
	if err != nil {
		return err
	}
	proof, err := readHashes(lines[2:])
	if err != nil {
		return err
	}
	return tlog.CheckRecord(proof, tree.N, tree.Hash, index, tlog.RecordHash(entry))
}

func judgeGrowth(name string, verifier note.Verifier) error {
	content, err := os.ReadFile(filepath.Join(name, "checkpoint"))
	if err != nil {
		return err
	}
	tree, err := openTree(content, verifier)
	if err != nil {
		return err
	}
	old, err := os.ReadFile(filepath.Join(name, "old"))
	if err != nil {
		return err
	}
	size, text, _ := strings.Cut(strings.TrimSpace(string(old)), "\n")
	n, err := strconv.ParseInt(size, 10, 64)
	if err != nil {
		return err
	}
	root, err := tlog.ParseHash(text)
	if err != nil {
		return err
	}
	growth, err := os.ReadFile(filepath.Join(name, "growth"))
	if err != nil {
		return err
	}
	proof, err := readHashes(strings.Split(strings.TrimSpace(string(growth)), "\n"))
	if err != nil {
		return err
	}
	return tlog.CheckTree(proof, tree.N, tree.Hash, n, root)
}
