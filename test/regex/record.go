//go:build ignore

// Records what Go's regexp package makes of patterns and texts, for src/lib/regex/go-outcomes.test.ts:
//
//	go run test/regex/record.go > test/regex/cases/go-outcomes.json
//
// Lines: [pattern, [texts that match as a whole], [texts that don't], [[text, every match replaced], ...]]
// or, of a refused pattern: [pattern, error code, the part at fault].
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"math/rand"
	"os"
	"regexp"
	"regexp/syntax"
	"strings"
	"unicode"
	"unicode/utf8"
)

var random = rand.New(rand.NewSource(20240611))

// Characters with cases, widths and classes of every sort.
var letters = []rune("aabbkKsSxyz019_-. /\n\téÉßẞſKσςΣǆǅǄıİiI中ж\u0345😀𐐀𐐨\x00\x7f\u00a0\u2028\ufffd")

func pick[T any](from []T) T { return from[random.Intn(len(from))] }

// sample makes a text that the expression probably matches.
func sample(re *syntax.Regexp, out *strings.Builder) {
	switch re.Op {
	case syntax.OpLiteral:
		for _, r := range re.Rune {
			if re.Flags&syntax.FoldCase != 0 {
				for i := random.Intn(3); i > 0; i-- {
					r = unicode.SimpleFold(r)
				}
			}
			// A surrogate is in no text, though Go takes U+FFFD for one in a literal.
			if utf8.ValidRune(r) {
				out.WriteRune(r)
			}
		}
	case syntax.OpCharClass:
		for try := 0; try < 30 && len(re.Rune) > 0; try++ {
			i := random.Intn(len(re.Rune)/2) * 2
			low, high := re.Rune[i], re.Rune[i+1]
			r := low + rune(random.Int63n(int64(high-low)+1))
			if random.Intn(3) == 0 {
				r = low
			}
			if random.Intn(2) == 0 {
				r = pick(letters)
				if r < low || r > high {
					continue
				}
			}
			if utf8.ValidRune(r) && isStable(r) {
				out.WriteRune(r)
				return
			}
		}
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		out.WriteRune(pick(letters))
	case syntax.OpCapture:
		sample(re.Sub[0], out)
	case syntax.OpConcat:
		for _, sub := range re.Sub {
			sample(sub, out)
		}
	case syntax.OpAlternate:
		sample(pick(re.Sub), out)
	case syntax.OpStar, syntax.OpPlus, syntax.OpQuest, syntax.OpRepeat:
		low, high := 0, 3
		switch re.Op {
		case syntax.OpPlus:
			low = 1
		case syntax.OpQuest:
			high = 1
		case syntax.OpRepeat:
			low, high = re.Min, re.Max
			if high < 0 || high > low+2 {
				high = low + 2
			}
		}
		for i := low + random.Intn(high-low+1); i > 0 && out.Len() < 300; i-- {
			sample(re.Sub[0], out)
		}
	}
}

// isStable leaves out what may have another property or another case in a newer Unicode.
func isStable(r rune) bool {
	return r < 0x20 || unicode.IsGraphic(r) && !strings.ContainsRune("\u019b\u0264\u0295\ua7d3\ua7d5\U0001171e", r)
}

func mutate(text string) string {
	runes := []rune(text)
	at := random.Intn(len(runes) + 1)
	switch {
	case random.Intn(2) == 0 || at == len(runes):
		return string(runes[:at]) + string(pick(letters)) + string(runes[at:])
	case random.Intn(2) == 0:
		return string(runes[:at]) + string(runes[at+1:])
	default:
		return string(runes[:at]) + string(pick(letters)) + string(runes[at+1:])
	}
}

// whole wraps a pattern so that it must match all of a text; quotes that are left open are closed first.
func whole(pattern string) *regexp.Regexp {
	if re, err := regexp.Compile(`\A(?:` + pattern + `)\z`); err == nil {
		return re
	}
	return regexp.MustCompile(`\A(?:` + pattern + `\E)\z`)
}

func textsOf(pattern string, count int) []string {
	tree, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		panic(err)
	}
	seen := map[string]bool{}
	var texts []string
	add := func(text string) {
		if len(text) < 400 && !seen[text] {
			seen[text] = true
			texts = append(texts, text)
		}
	}
	for i := 0; i < count; i++ {
		var out strings.Builder
		sample(tree, &out)
		add(out.String())
		if i%2 == 0 {
			add(mutate(out.String()))
		}
	}
	return texts
}

var out = bufio.NewWriter(os.Stdout)
var lines int
var recorded = map[string]bool{}

func write(entry ...any) {
	if lines++; lines > 1 {
		out.WriteString(",\n")
	}
	var line strings.Builder
	encoder := json.NewEncoder(&line)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(entry); err != nil {
		panic(err)
	}
	out.WriteString(strings.TrimSuffix(line.String(), "\n"))
}

func record(pattern string, count int, texts ...string) {
	if recorded[pattern] {
		return
	}
	recorded[pattern] = true
	re, err := regexp.Compile(pattern)
	if err != nil {
		fault := err.(*syntax.Error)
		expr := fault.Expr
		if expr == pattern {
			expr = ""
		}
		write(pattern, fault.Code, expr)
		return
	}
	anchored := whole(pattern)
	yes, no, replaced := []string{}, []string{}, [][2]string{}
	for _, text := range append(texts, textsOf(pattern, count)...) {
		if anchored.MatchString(text) {
			yes = append(yes, text)
		} else {
			no = append(no, text)
		}
	}
	if count > 0 {
		groups := "<$0>"
		for i := 1; i <= re.NumSubexp() && i < 10; i++ {
			groups = strings.Replace(groups, ">", fmt.Sprintf("|${%d}>", i), 1)
		}
		groups = strings.Replace(groups, "$0", "${0}", 1)
		for _, text := range append(append([]string{}, yes...), no...) {
			if len(replaced) < 2 && len(text) < 40 && random.Intn(2) == 0 {
				replaced = append(replaced, [2]string{text, re.ReplaceAllString(text, groups)})
			}
		}
	}
	write(pattern, yes, no, replaced)
}

// Pieces of the grammar that random patterns are made of.
var atoms = []string{
	`a`, `b`, `k`, `s`, `é`, `ß`, `σ`, `😀`, `𐐀`, `中`, `-`, `_`, ` `, `/`, `.`, `.`, `\.`, `\\`, `\n`, `\t`, `\x41`, `\x{1F600}`, `\x{212a}`,
	`\101`, `\0`, `\d`, `\D`, `\w`, `\W`, `\s`, `\S`, `\pL`, `\PL`, `\pN`, `\p{Lu}`, `\p{^Lu}`, `\P{Ll}`, `\p{Greek}`, `\P{^Cyrillic}`, `\p{Han}`,
	`[ab]`, `[^ab]`, `[a-c]`, `[^a-z]`, `[\d_]`, `[^\s/]`, `[^\W]`, `[\PL\d]`, `[[:alpha:]]`, `[[:^digit:]a]`, `[^[:space:]]`, `[é-ö]`, `[^é]`,
	`[😀-😎]`, `[^😀]`, `[]a]`, `[^]a]`, `[a\]]`, `[-a]`, `[a-]`, `[\x{10000}-\x{10FFFF}]`, `[\x00-\x{10FFFF}]`, `[K-k]`, `[\p{Greek}k]`,
	`\Qa.b\E`, `\Q\E`, `^`, `$`, `\A`, `\z`, `\b`, `\B`, `(?i)`, `(?s)`, `(?m)`, `(?U)`, `(?-i)`, `(?i-s)`,
}
var repeats = []string{``, ``, ``, ``, ``, `*`, `+`, `?`, `*?`, `+?`, `??`, `{2}`, `{1,3}`, `{0,2}?`, `{2,}`, `{0}`, `{,2}`, `{1`, `{01}`}
var openings = []string{`(`, `(`, `(?:`, `(?i:`, `(?s:`, `(?m:`, `(?U:`, `(?-i:`, `(?P<n>`, `(?<m>`}

func pattern(depth int) string {
	var made strings.Builder
	for i := random.Intn(4) + 1; i > 0; i-- {
		if depth > 0 && random.Intn(3) == 0 {
			made.WriteString(pick(openings) + pattern(depth-1) + `)`)
		} else {
			made.WriteString(pick(atoms))
		}
		made.WriteString(pick(repeats))
		if random.Intn(6) == 0 {
			made.WriteString(`|`)
		}
	}
	return made.String()
}

var broken = []string{`(`, `)`, `[`, `]`, `{`, `}`, `*`, `+`, `?`, `|`, `\`, `(?`, `[^`, `[:`, `:]`, `-`, `,`, `^`, `\p`, `\x`, `\Q`, `\E`, `\1`, `{2}`, `(?P<`, `>`}

func breakIt(pattern string) string {
	runes := []rune(pattern)
	at := random.Intn(len(runes) + 1)
	if random.Intn(2) == 0 && at < len(runes) {
		return string(runes[:at]) + string(runes[at+1:])
	}
	return string(runes[:at]) + pick(broken) + string(runes[at:])
}

func main() {
	out.WriteString("[\n")
	for _, pattern := range chosen {
		record(pattern, 6, "", "a", "\n")
	}
	for _, pattern := range folding {
		var texts []string
		for _, r := range letters {
			texts = append(texts, string(r))
		}
		record(pattern, 3, texts...)
	}
	for i := 0; i < 1100; i++ {
		record(pattern(2), 4)
	}
	for i := 0; i < 1200; i++ {
		made := breakIt(pattern(1))
		if random.Intn(3) == 0 {
			made = breakIt(made)
		}
		record(made, 1)
	}
	out.WriteString("\n]\n")
	out.Flush()
}

// Each is asked about every one of letters.
var folding = []string{
	`.`, `(?s).`, `(?i)k`, `(?i)K`, `(?i)s`, `(?i)[a-z]`, `(?i)[^a-z]`, `(?i)[^k]`, `(?i)\w`, `(?i)\W`, `(?i)[\W]`, `(?i)[^\w]`, `(?i)[[:alpha:]]`,
	`(?i)[[:^alpha:]]`, `(?i)[[:upper:]]`, `(?i)ß`, `(?i)ẞ`, `(?i)σ`, `(?i)ς`, `(?i)ǆ`, `(?i)ǅ`, `(?i)ı`, `(?i)İ`, `(?i)i`, `(?i)\x{345}`, `(?i)ι`, `(?i)µ`,
	`(?i)𐐀`, `(?i)é`, `(?i)[à-þ]`, `(?i)\p{Lu}`, `(?i)\P{Lu}`, `(?i)\p{^Lu}`, `(?i)[^\p{Lu}]`, `(?i)\p{Ll}`, `(?i)\p{Lt}`, `(?i)\p{Greek}`, `(?i)\P{Greek}`,
	`(?i)\pL`, `(?i)\pM`, `(?i)\p{Mn}`, `(?i)ж`, `\W`, `\w`, `\s`, `\S`, `\d`, `\D`, `[[:space:]]`, `[[:cntrl:]]`, `[[:graph:]]`, `[[:print:]]`, `[[:punct:]]`,
	`[[:ascii:]]`, `[[:^ascii:]]`, `[[:blank:]]`, `[[:word:]]`, `[[:xdigit:]]`, `[[:lower:]]`, `[[:alnum:]]`, `[[:digit:]]`, `\pL`, `\PL`, `\pN`, `\pZ`, `\pS`,
	`\pP`, `\pC`, `\pM`, `\p{Any}`, `\p{Lu}`, `\p{^Lu}`, `\P{Lu}`, `\P{^Lu}`, `\p{Latin}`, `\p{Common}`, `\p{Inherited}`, `\p{Deseret}`, `\p{Assigned}`, `\p{ASCII}`,
	`(?i)\p{ASCII}`, `\p{LC}`, `[^\x00-\x{10FFFF}]`, `[\x{ffff}-\x{10ffff}]`, `[^\x{ffff}]`, `[^\n]`, `[^é😀]`,
}

var chosen = strings.Split(strings.TrimSpace(`
abc
a|b|
|a
|
()
(|a)*
(|a)+
(a|)*?b
(a*)*
(a*)+
(a|b)*?c
((a)|b)*
(a)|(b)
(a?)(ab)?
(a+?)(a*)
(a+)(a*?)
(?U)(a+)(a*)
(?U)(a+?)(a*)
a*?
a+?b
a??b
(?U)a??b
a{0}
a{0,0}b
a{1}
a{3}
a{2,}
a{2,4}
a{2,4}?
a{,2}
a{
a{1
a{1,
a{1,2
a{x}
a{01}
a{1,02}
a{-1}
a{1000}
a{1001}
a{0,1000}
a{0,1001}
a{1001,}
a{2,1}
a{99999999999}
a{1,99999999999}
a{100000000000000000000}
(a{10}){100}
(a{10}){101}
(a{100}){11}
((a{10}){10}){10}
((a{10}){10}){11}
(a{0}){1000}
((a{1000}){0}){1000}
(a{2,}){500}
(a{2,}){501}
(a{1000}|b){2}
(a*){1000}
(a{1000})*
(a{1000}){1,1}
(a{31}){0,32}
(a{31}){0,33}
(((((((((((((((a+)+)+)+)+)+)+)+)+)+)+)+)+)+)+)+
(((((((((((((((a*)*)*)*)*)*)*)*)*)*)*)*)*)*)*)*
a**
a*+
a++
a+*
a?*
a*??
a??*
a{2}{3}
a{2}*
a*{2}
a{2}?{3}
a*(?:)*
a*(?i)*
a(?i)*
a(?i)+b
(?i)*
(a*)*
(?:a*)*
*
+
?
{2}
{2,3}a
|*
a|*
(*)
(?:*)
(|*a)
^*
^+a
$*
\b*a
\B+a
\A{2}a
\z?
^^a$$
a^b
a$b
^$
^
$
(?m)^a$
(?m)a$\nb
(?m)^$
(?m)^a\n^b$
(?m)(^|b)*a
a$\n
\Aa\z
(?m)\Aa\z
(?m)\A\n\z
\ba\b
\Ba
a\b-\ba
\b
\B
é\b
\bé
a\Bé
.
..
(?s)..
.*
(?s).*
(?-s).
(?s-s).
(?i)abc
(?i:a)b
(?i)a(?-i)b
(?i:a(?-i:b)c)d
(a(?i)b)c
(?i)a|b
a|(?i)b|c
(?:(?i)a|b)c
(?i)(?i)a
(?ii)a
(?i-i)a
(?is-mU)a.
(?imsU)a.
(?mi:a)
(?)a
(?-)a
(?i-)a
(?--i)a
(?:a)
(?:)
(?i
(?i:a
(?
(?:
(?x)a
(?z)
(?I)a
(?i,s)a
(?#a)
(?>a)
(?|a)
(?&a)
(?R)
(?1)
(?=a)
(?!a)
(?<=a)
(?<!a)
(?<=a>b)
a(?=b)c
(?(1)a|b)
(?P<n>a)
(?<n>a)
(?P<n_1>a)
(?P<1>a)
(?P<n>a)(?P<n>b)
(?P<n>a)(?<n>b)
(?P<>a)
(?<>a)
(?P<n a>b)
(?P<n-a>b)
(?P<é>b)
(?P<n
(?P<n>
(?P<n>a
(?<n
(?<
(?P
(?P<
(?P=n)
(?P>n)
(?'n'a)
\k<n>
(a)\1
\1
\8
\9
\12
\18
\08
\0
\00
\000
\0000
\377
\400
\777
\x41
\x4
\x
\xZZ
\x{41}
\x{0000000041}
\x{10FFFF}
\x{110000}
\x{FFFFFFFFFFFFFFFF}
\x{}
\x{41
\x{4G}
\x{D800}
[\x{D800}]
\x{1F600}
\x{1f600}+
[\x{1F600}-\x{1F64F}]+
😀
😀+
😀?a
[😀😎]
[^😀]
[^a]
[a-😀]
[😀-a]
^.$
^..$
.😀.
(😀|a)*
\a\f\n\r\t\v
\e
\c
\cA
\C
\d\D
\E
\Ea
\G
\H
\h
\K
\N
\R
\u0041
\X
\Z
\y
\_
\-
\/
\"
\é
\😀
\ 
\<
\{
\}
\]
\
a\
(\
[\
[a\
\Qa.b\E
\Qa.b
\Q
\Q\E
\Qab\E*
\Qa\Eb\Q*\E
\Q😀\E+
\Q\\E
\Q\
a\Q\E*
\Q\Q\E
\Qa\E\E
(?i)\QaK\E
(\Qa)\E)
(\Qa)
[\Qa\E]
[abc]
[^abc]
[]
[]a]
[]a
[^]a]
[^]
[^
[
[a
[a-
[a-b
[a-]
[-a]
[a-b-c]
[a-b-]
[--a]
[---]
[+--]
[b-a]
[a-a]
[z-a]b
[\d-z]
[a-\d]
[\w-]
[\d\s]
[^\d\s]
[\D\d]
[^\D]
[^\D\d]
[\b]
[\B]
[\A]
[\z]
[\pL]
[\p{Greek}\d]
[^\pL]
[^\PL]
[\P{^L}]
[\x41-\x43]
[\101-\103]
[\n]
[\-a]
[a\-z]
[\]]
[\^a]
[a^]
[\\]
[a.*+?(){}|$]
[[a]
[[]
[[]a]
[[:alpha:]]
[[:alpha:]
[[:^alpha:]]
[[:word:]]
[[:ALPHA:]]
[[:foo:]]
[[:constructor:]]
[[:^foo:]]
[[::]]
[[:]]
[[:a]
[[:a]b:]
[[:alpha:]-z]
[a-[:digit:]]
[:alpha:]
[[:alpha:][:digit:]]
[^[:alpha:][:digit:]]
[[=a=]]
[[.a.]]
[a&&b]
[a-z&&[^b]]
\pL
\pl
\PL
\pN+
\p{L}
\p{Lu}
\p{lu}
\p{Greek}
\p{greek}
\p{GREEK}
\p{Grek}
\p{^Greek}
\P{^Greek}
\p{Letter}
\p{Uppercase_Letter}
\p{uppercase letter}
\p{ Lu }
\p{L&}
\p{Any}
\p{any}
\p{Foo}
\p{}
\p{^}
\p
\p{
\p{L
\pé
\p^L
\pX
\p{Script=Greek}
\p{sc=Grek}
\p{gc=Lu}
\p{InGreek}
\p{Alphabetic}
\p{White_Space}
\p{Emoji}
\p{IsGreek}
\p{Han}+
\p{Arabic}
\p{Cyrillic}\p{Latin}
\p{Cs}
\p{Co}
\p{Nd}\p{Nl}\p{No}
\p{Sc}\p{Sm}\p{Sk}\p{So}
\p{Pd}\p{Ps}\p{Pe}\p{Pi}\p{Pf}\p{Pc}\p{Po}
\p{Zs}|\p{Zl}|\p{Zp}
\p{Cc}|\p{Cf}
\p{Digit}
\p{punct}
(a
a)
((a)
(a))
)
(
(()
a|b)
(a|b
(a{2}
[(]a
[)]
a(b(c)d)e
/v[0-9]+/.*
/api/(v1|v2)/users/([0-9]+)(/.*)?
/service/([^/]+)(/.*)
^/productpage(\?.*)?$
.*\.(js|css|png)
(?i).*(chrome|firefox).*
https://([a-z0-9-]+\.)*example\.com(:[0-9]+)?
^(?:[a-z]+|[0-9]+)(?:-(?:[a-z]+|[0-9]+))*$
jason|ann
(.+)@(.+)\.(com|org)
`), "\n")
