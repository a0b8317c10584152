package sourcemap_test

import (
	"strings"
	"testing"

	"github.com/tocsin-dev/tocsin/internal/sourcemap"
)

// TestFunctionsAreNamed marks places with @ and says the function around each.
func TestFunctionsAreNamed(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ script, want string }{
		{`@function a(){@}@`, "a a -"},
		{`function*gen(){@yield 1}async function b(){@}`, "gen b"},
		{`var f=function(){@},g=async()=>{@},h=x=>x@+1,i=1@`, "f g h -"},
		{`const o={m(){@},"n":function(){@},p:()=>@1,['q'](){@},get r(){@},async*s(){@},[t](){@}}`, "m n p q r s <anonymous>"},
		{`a.b.c=function(){@};a["d"]=()=>{@};this.e=async x=>{await @x}`, "c d e"},
		{`class A extends B(1){constructor(){super();@}static s(){@}#p(){@}f=()=>{@};static{@}get(){@}catch(e){@}}`, "constructor s #p f - get catch"},
		{`if(a){@}for(;;){@}while(b){@}try{@}catch(e){@}switch(c){case 1:{@}default:{@}}`, "- - - - - - -"},
		{`x(function(){@},()=>@1,function named(){@})`, "<anonymous> <anonymous> named"},
		{"var t=`a${(()=>{@})()}b${`c${d(function(){@})}`}`;function e(){@}", "<anonymous> <anonymous> e"},
		{`var r=/[/"]{/.test(a)?b/c/d:e;function f(){return/'}/g.exec(x)@}if(q)/{/.test(z);function g(){@}`, "f g"},
		{`function outer(){function inner(){@}@return()=>@2}`, "inner outer <anonymous>"},
		{`q=a?function(){@}:b;z=c?{k(){@}}:d`, "<anonymous> k"},
		{"const a = x => x + 1\nfoo(@)\nconst b = () => {\n@\n}", "- b"},
		{"export default function(){@}export function h(){@}export{h as i};import j from'k';", "<anonymous> h"},
		{"class T { private go(a: string, b?: number): Promise<void> { @ } }\nconst f: Handler<T> = (x: number): string => { @ };\nfunction g<T>(x: T): T[] { @ }", "go f g"},
		{"/* { */ // function z(){\nfunction y(){@} var s='function(){',u=\"\\\"{\"; @", "y -"},
		{"\ufefffunction \u00fc(){\n/* \U0001F600 */@}", "\u00fc"},
		{`a++/b;function c(){@}`, "c"},
		{`function unclosed(){@ ((( [`, "unclosed"},
	} {
		clean := strings.ReplaceAll(c.script, "@", "")
		s := sourcemap.Scan([]byte(clean))
		var got []string
		line, column := 1, 1
		for _, r := range c.script {
			switch {
			case r == '@':
				f, ok := s.Enclosing(line, column)
				switch {
				case !ok:
					f.Name = "-"
				case f.Name == "":
					f.Name = sourcemap.Anonymous
				}
				got = append(got, f.Name)
			case r == '\n':
				line, column = line+1, 1
			case r > 0xFFFF:
				column += 2
			default:
				column++
			}
		}
		if have := strings.Join(got, " "); have != c.want {
			t.Errorf("%s\nwant %s\ngot  %s", c.script, c.want, have)
		}
	}
}

// FuzzScan: every script has its functions within itself, one within the other or apart.
func FuzzScan(f *testing.F) {
	f.Add([]byte("function a(){return`${b}`}"))
	f.Add(file(f, "app.min.js"))
	f.Fuzz(func(t *testing.T, src []byte) {
		s := sourcemap.Scan(src)
		for column := range 40 {
			if fn, ok := s.Enclosing(1+column%3, column); ok && (fn.Line < 1 || fn.Column < 1) {
				t.Errorf("%+v", fn)
			}
		}
	})
}
