//! One file in each language: what is defined in it, and how names are used.

use super::super::*;

/// `line kind container.name`, one a line.
fn defined(path: &str, text: &str) -> String {
    let found = extract(path, text).unwrap();
    assert!(found.complete);
    let one = |one: &Definition| {
        let dot = if one.container.is_empty() { "" } else { "." };
        format!("{} {} {}{dot}{}", one.line, one.kind, one.container, one.name)
    };
    found.definitions.iter().map(one).collect::<Vec<_>>().join("\n")
}

/// `line kind name` of the names wanted.
fn used(path: &str, text: &str, names: &[&str]) -> String {
    let found = extract(path, text).unwrap();
    let all = found.references(text).filter(|one| names.contains(&one.name.as_str()));
    all.map(|one| format!("{} {} {}", one.line, one.kind.word(), one.name)).collect::<Vec<_>>().join("\n")
}

#[track_caller]
fn check(path: &str, text: &str, definitions: &str, (names, uses): (&[&str], &str)) {
    assert_eq!(defined(path, text), definitions.trim());
    assert_eq!(used(path, text, names), uses.trim());
}

#[test]
fn c() {
    let text = r"#include <stdio.h>
#define LIMIT 10
#define max(a, b) ((a) > (b) ? (a) : (b))
struct list;
struct list { struct list *next; int (*call)(void); unsigned len[2]; };
enum color { RED, GREEN = 2 };
typedef struct list list_t;
extern int shared;
static int counter = LIMIT, *other;
int insert(struct list *l, int n);
int insert(struct list *l, int n)
{
    int local = max(n, 2);
    l->next = NULL;
    l->call();
    return insert(l, local) + counter;
}
union both { int a; char b; } both_of;
";
    check(
        "a.c",
        text,
        "2 macro LIMIT\n3 macro max\n5 struct list\n5 field list.next\n5 field list.call\n5 field list.len\n6 enum color\n6 constant color.RED\n\
         6 constant color.GREEN\n7 type list_t\n9 variable counter\n9 variable other\n11 function insert\n18 struct both\n18 field both.a\n\
         18 field both.b\n18 variable both_of",
        (
            &["insert", "list", "max", "shared", "call", "LIMIT"],
            "4 type list\n5 type list\n7 type list\n8 declaration shared\n9 other LIMIT\n10 declaration insert\n10 type list\n11 type list\n\
             13 call max\n15 call call\n16 call insert",
        ),
    );
}

#[test]
fn cpp() {
    let text = r"namespace net {
class Base { public: virtual ~Base(); virtual int run() = 0; };
template <typename T> class Socket : public Base {
  int fd_;
 public:
  explicit Socket(int fd) : fd_(fd) {}
  int run() override { return go<T>(fd_); }
};
using Plain = Socket<int>;
}
int net::helper(int a) { auto f = [](int x) { int inner = x; return inner; }; return f(a); }
";
    check(
        "a.cc",
        text,
        "1 module net\n2 class net.Base\n3 class net.Socket\n4 field net.Socket.fd_\n6 method net.Socket.Socket\n7 method net.Socket.run\n\
         9 type net.Plain\n11 method net.helper",
        (&["Base", "run", "go", "Socket"], "2 other Base\n2 declaration run\n3 implementation Base\n7 call go\n9 type Socket"),
    );
}

/// What the preprocessor makes of C is not in the grammar; the kernel is full of it.
#[test]
fn c_with_macros_that_define() {
    let text = r#"typedef unsigned long uintptr_t;
typedef struct { uintptr_t at; } cursor_t;
SYSCALL_DEFINE3(read, unsigned int, fd, char __user *, buf)
{
	int local = 1;
	DEFINE_MUTEX(inner);
	return ksys_read(fd, buf);
}
DEFINE_MUTEX(lock);
static DEFINE_SPINLOCK(slow);
DEFINE_PER_CPU(int, counter);
LIST_HEAD(waiting);
EXPORT_SYMBOL(lock);
static int __init first_init(void) { return 0; }
static void __sched notrace second_init(unsigned int mode) { first_init(); }
static inline __must_check bool third(void) { return true; }
int old(a, b) int a; char *b; { return a; }
static long
internal_function
wrapped (int a)
{ return a; }
bare(a, b)
{ if (a) return 1; else return 0; }
const int table[] = {
#define ROW(x) { x, #x },
	ROW(1)
#undef ROW
};
/*
#define NOT_ONE 1
*/
char *text = "\
#define NOR_ONE 1";
"#;
    check(
        "a.c",
        text,
        "1 type uintptr_t\n2 field at\n2 type cursor_t\n3 function read\n9 variable lock\n10 variable slow\n11 variable counter\n\
         12 variable waiting\n14 function first_init\n15 function second_init\n16 function third\n17 function old\n20 function wrapped\n\
         22 function bare\n24 variable table\n25 macro ROW\n32 variable text",
        (&["lock", "uintptr_t", "first_init", "ksys_read"], "2 type uintptr_t\n7 call ksys_read\n13 other lock\n15 call first_init"),
    );
    let found = extract("a.c", text).unwrap();
    let whole = |name: &str| found.definitions.iter().find(|one| one.name == name).unwrap().whole;
    assert_eq!([whole("read"), whole("lock"), whole("bare"), whole("wrapped")], [(3, 8), (9, 9), (22, 23), (18, 21)]);
}

#[test]
fn cpp_operators_and_destructors() {
    let text = r"struct A {
  virtual ~A();
  bool operator==(const A &other) const;
  A &operator=(const A &) { return *this; }
};
A::~A() {}
bool A::operator==(const A &other) const { return true; }
std::ostream &operator<<(std::ostream &to, const A &a) { return to; }
";
    check(
        "a.cc",
        text,
        "1 struct A\n4 method A.operator=\n6 method A.~A\n7 method A.operator==\n8 function operator<<",
        (&["~A", "operator=="], "2 declaration ~A\n3 declaration operator=="),
    );
}

#[test]
fn csharp() {
    let text = r"namespace Vendor.Net {
    public interface IReader { int Read(); }
    public class Reader : IReader {
        private int count = 0;
        public const int Max = 3;
        public string Name { get; set; }
        public Reader(int c) { count = c; }
        public int Read() { var r = new Reader(1); return r.Helper(Max); }
        int Helper(int n) => n;
    }
    enum Mode { Fast, Slow }
    struct Point { public int X; }
}
";
    check(
        "a.cs",
        text,
        "1 module Net\n2 interface Net.IReader\n2 method Net.IReader.Read\n3 class Net.Reader\n4 field Net.Reader.count\n5 field Net.Reader.Max\n\
         6 field Net.Reader.Name\n7 method Net.Reader.Reader\n8 method Net.Reader.Read\n9 method Net.Reader.Helper\n11 enum Net.Mode\n\
         11 constant Net.Mode.Fast\n11 constant Net.Mode.Slow\n12 struct Net.Point\n12 field Net.Point.X",
        (&["IReader", "Reader", "Helper"], "3 implementation IReader\n8 type Reader\n8 call Helper"),
    );
}

#[test]
fn java() {
    let text = r"package org.example;
public class Parser extends Base implements Runnable {
    private static final int LIMIT = 3;
    public Parser(int n) { this.n = n; }
    @Override public void run() { Parser p = new Parser(LIMIT); p.parse(list); }
    interface Visitor { void visit(Parser p); }
    enum Mode { FAST, SLOW }
    record Pair(int a, int b) {}
}
";
    check(
        "Parser.java",
        text,
        "2 class Parser\n3 field Parser.LIMIT\n4 method Parser.Parser\n5 method Parser.run\n6 interface Parser.Visitor\n6 method Parser.Visitor.visit\n\
         7 enum Parser.Mode\n7 constant Parser.Mode.FAST\n7 constant Parser.Mode.SLOW\n8 class Parser.Pair",
        (
            &["Base", "Runnable", "Parser", "parse", "Override"],
            "2 implementation Base\n2 implementation Runnable\n5 type Override\n5 type Parser\n5 type Parser\n5 call parse\n6 type Parser",
        ),
    );
}

#[test]
fn go() {
    let text = r"package main
type Reader struct { name string; Inner }
type Source interface { Read(p []byte) (int, error) }
type Size = int
type Kind int
const Max, Min = 3, 1
var shared = Max
var _ Source = (*Reader)(nil)
func (r *Reader) Read(p []byte) (int, error) { local := 1; return helper(p, local) }
func helper(p []byte, n int) (int, error) { r := Reader{}; return r.Read(p) }
";
    check(
        "a.go",
        text,
        "2 struct Reader\n2 field Reader.name\n3 interface Source\n3 method Source.Read\n4 type Size\n5 type Kind\n6 constant Max\n6 constant Min\n\
         7 variable shared\n9 method Reader.Read\n10 function helper",
        (&["Reader", "Read", "helper", "Max"], "7 other Max\n8 other Reader\n9 type Reader\n9 call helper\n10 type Reader\n10 call Read"),
    );
}

#[test]
fn rust() {
    let text = r"mod inner { pub fn deep() {} }
pub struct Log { size: u64 }
enum State { Open, Closed(u32) }
trait Record { fn record(&self) -> u64; }
impl Record for Log { fn record(&self) -> u64 { self.size + inner::deep() } }
impl<T> Store<T> { const LIMIT: usize = 3; }
macro_rules! twice { ($e:expr) => { $e; $e } }
static SHARED: u32 = 1;
type Alias = Log;
fn main() { let local = Log { size: 1 }; twice!(local.record()); let f = || local.record(); f() }
";
    check(
        "a.rs",
        text,
        "1 module inner\n1 function inner.deep\n2 struct Log\n2 field Log.size\n3 enum State\n3 constant State.Open\n3 constant State.Closed\n\
         4 interface Record\n4 method Record.record\n5 method Log.record\n6 constant Store.LIMIT\n7 macro twice\n8 variable SHARED\n9 type Alias\n\
         10 function main",
        (
            &["Record", "Log", "deep", "record", "twice"],
            "5 implementation Record\n5 type Log\n5 call deep\n9 type Log\n10 type Log\n10 call twice\n10 other record\n10 call record",
        ),
    );
}

#[test]
fn python() {
    let text = r#"LIMIT = 3
class Reader(Base):
    kind = "x"
    def read(self, n: int) -> Result:
        local = helper(n)
        def inner(): pass
        return self.read(local)
async def helper(n): return Reader(n).read(LIMIT)
"#;
    check(
        "a.py",
        text,
        "1 variable LIMIT\n2 class Reader\n3 field Reader.kind\n4 method Reader.read\n6 function Reader.read.inner\n8 function helper",
        (
            &["Base", "Reader", "read", "helper", "Result", "LIMIT"],
            "2 implementation Base\n4 type Result\n5 call helper\n7 call read\n8 call Reader\n8 call read\n8 other LIMIT",
        ),
    );
}

#[test]
fn javascript() {
    let text = r"const LIMIT = 3; let shared;
export class Reader extends Base { #hidden = 1; read(n) { const local = helper(n); return this.read(local); } }
function helper(n) { return new Reader(n); }
const arrow = (x) => x, other = function () {};
exports.made = function () { return LIMIT; };
const table = { open: () => 1, shut: 2 };
function* generate() {}
";
    check(
        "a.js",
        text,
        "1 constant LIMIT\n1 variable shared\n2 class Reader\n2 field Reader.hidden\n2 method Reader.read\n3 function helper\n4 function arrow\n\
         4 function other\n5 function made\n6 constant table\n6 method open\n7 function generate",
        (&["Base", "Reader", "read", "helper"], "2 implementation Base\n2 call helper\n2 call read\n3 type Reader"),
    );
}

#[test]
fn typescript() {
    let text = r"interface Shape { area(): number; name: string }
type Id = string | number;
enum Mode { Fast, Slow = 2 }
abstract class Round implements Shape { private r = 1; abstract grow(): void; area(): number { return compute(this.r); } }
namespace Deep { export const x = 1; }
export function compute(n: number): Id { const s: Shape = new Round(); return s.area(); }
";
    check(
        "a.ts",
        text,
        "1 interface Shape\n1 method Shape.area\n1 field Shape.name\n2 type Id\n3 enum Mode\n3 constant Mode.Fast\n3 constant Mode.Slow\n4 class Round\n\
         4 field Round.r\n4 method Round.grow\n4 method Round.area\n5 module Deep\n5 constant Deep.x\n6 function compute",
        (
            &["Shape", "Id", "compute", "Round", "area"],
            "4 implementation Shape\n4 call compute\n6 type Id\n6 type Shape\n6 type Round\n6 call area",
        ),
    );
    assert_eq!(defined("a.tsx", "export const App = () => <Box title=\"x\"><Item /></Box>;\n"), "1 function App");
}

#[test]
fn php() {
    let text = r#"<?php
namespace Vendor;
interface Shape { const SIDES = 0; public function area(): float; }
trait Named { protected string $name = "x"; }
class Round extends Base implements Shape { use Named; private int $r; public function area(): float { return compute($this->r); } }
enum Mode { case Fast; }
function compute(Shape $s): float { $local = new Round(); return $local->area(); }
"#;
    check(
        "a.php",
        text,
        "3 interface Shape\n3 constant Shape.SIDES\n3 method Shape.area\n4 class Named\n4 field Named.name\n5 class Round\n5 field Round.r\n\
         5 method Round.area\n6 enum Mode\n6 constant Mode.Fast\n7 function compute",
        (
            &["Base", "Shape", "Named", "compute", "Round", "area"],
            "5 implementation Base\n5 implementation Shape\n5 implementation Named\n5 call compute\n7 type Shape\n7 type Round\n7 call area",
        ),
    );
}

#[test]
fn ruby() {
    let text = r"module Net
  LIMIT = 3
  class Reader < Base
    def read(n)
      local = helper(n)
      self.read(local)
    end
    def self.open; new; end
    alias shut read
  end
end
Net::Reader.open.read(1)
";
    check(
        "a.rb",
        text,
        "1 module Net\n2 constant Net.LIMIT\n3 class Net.Reader\n4 method Net.Reader.read\n8 method Net.Reader.open\n9 method Net.Reader.shut",
        (
            &["Base", "Reader", "read", "helper", "open"],
            "3 implementation Base\n5 call helper\n6 call read\n9 other read\n12 type Reader\n12 call open\n12 call read",
        ),
    );
}

#[test]
fn bash() {
    let text = "#!/bin/bash\nLIMIT=3\nrun() { local inner=1; helper \"$LIMIT\"; }\nfunction helper { echo $1; }\nrun && helper 2\n";
    check(
        "run",
        text,
        "2 variable LIMIT\n3 function run\n4 function helper",
        (&["run", "helper", "LIMIT"], "3 call helper\n3 other LIMIT\n5 call run\n5 call helper"),
    );
}
