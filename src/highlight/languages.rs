//! What language a file is in, by its name and, failing that, by the interpreter or mark-up its first line names.
//!
//! One table serves the page, the index and the `lang:` filter, so that all three call a language by the same name. Knowing a language
//! here costs no syntax: that is loaded only to highlight.

use std::collections::HashMap;
use std::fmt;
use std::sync::LazyLock;

/// A language as people name it.
#[derive(Debug, PartialEq, Eq)]
pub struct Language {
    name: &'static str,
    /// The name of its syntax, or of that of a language near enough to it; empty when there is none.
    syntax: &'static str,
    aliases: &'static str,
    extensions: &'static str,
    files: &'static str,
    prose: bool,
}

impl Language {
    pub fn name(&self) -> &'static str {
        self.name
    }

    pub(super) fn syntax(&self) -> &'static str {
        self.syntax
    }

    /// Written in sentences more than in identifiers.
    pub fn is_prose(&self) -> bool {
        self.prose
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// The language of a file. `first_line` may be empty when it is not known.
pub fn language_of(path: &str, first_line: &str) -> Option<&'static Language> {
    let file = path.rsplit('/').next().unwrap_or(path);
    by_file_name(file).or_else(|| by_first_line(first_line))
}

/// The language a person means by a word: its name, another name for it, or an extension, in any case.
pub fn language_named(word: &str) -> Option<&'static Language> {
    let word = word.to_lowercase();
    INDEX.names.get(word.as_str()).or_else(|| INDEX.extensions.get(word.as_str())).copied()
}

/// Every language that has a name here, in the order of the table.
pub fn languages() -> impl Iterator<Item = &'static Language> {
    TABLE.iter()
}

fn by_file_name(file: &str) -> Option<&'static Language> {
    if let Some(language) = INDEX.files.get(file) {
        return Some(language);
    }
    if file.ends_with(".lds.S") {
        return language_named("linker script");
    }
    let (before, extension) = file.rsplit_once('.')?;
    // A template or a copy is in the language of what it is of.
    if matches!(extension, "in" | "orig" | "tmpl" | "template" | "dist" | "sample" | "example" | "bak") {
        return by_file_name(before);
    }
    if INDEX.files.get(before).is_some_and(|language| matches!(language.name, "Dockerfile" | "Makefile" | "Kconfig")) {
        return INDEX.files.get(before).copied();
    }
    INDEX.extensions.get(extension).or_else(|| INDEX.extensions.get(extension.to_lowercase().as_str())).copied()
}

fn by_first_line(line: &str) -> Option<&'static Language> {
    let start = line.trim_start_matches('\u{feff}').trim_start();
    if let Some(command) = start.strip_prefix("#!") {
        return command.split_ascii_whitespace().find_map(|word| {
            let program = word.rsplit('/').next()?;
            let program = program.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.' || c == '-');
            (program != "env").then(|| INDEX.names.get(program)).flatten().copied()
        });
    }
    let lower: String = start.chars().take(40).flat_map(char::to_lowercase).collect();
    if let Some((_, rest)) = start.split_once("-*-") {
        let (modeline, _) = rest.split_once("-*-")?;
        let mode = modeline.split(';').find_map(|part| part.trim().strip_prefix("mode:").or_else(|| part.trim().strip_prefix("Mode:")));
        return language_named(mode.unwrap_or(modeline).trim());
    }
    let name = if lower.starts_with("<?xml") {
        "xml"
    } else if lower.starts_with("<!doctype html") || lower.starts_with("<html") {
        "html"
    } else if lower.starts_with("<?php") {
        "php"
    } else if lower.starts_with("diff --git ") {
        "diff"
    } else {
        return None;
    };
    language_named(name)
}

struct Index {
    names: HashMap<String, &'static Language>,
    extensions: HashMap<&'static str, &'static Language>,
    files: HashMap<&'static str, &'static Language>,
}

static INDEX: LazyLock<Index> = LazyLock::new(|| {
    let mut index = Index { names: HashMap::new(), extensions: HashMap::new(), files: HashMap::new() };
    for language in TABLE {
        index.names.insert(language.name.to_lowercase(), language);
        index.names.extend(language.aliases.split(' ').filter(|word| !word.is_empty()).map(|word| (word.to_owned(), language)));
        index.extensions.extend(language.extensions.split(' ').filter(|word| !word.is_empty()).map(|word| (word, language)));
        index.files.extend(language.files.split(' ').filter(|word| !word.is_empty()).map(|word| (word, language)));
    }
    index
});

const fn code(name: &'static str, syntax: &'static str, aliases: &'static str, extensions: &'static str, files: &'static str) -> Language {
    Language { name, syntax, aliases, extensions, files, prose: false }
}

const fn prose(name: &'static str, syntax: &'static str, aliases: &'static str, extensions: &'static str, files: &'static str) -> Language {
    Language { name, syntax, aliases, extensions, files, prose: true }
}

/// Name, syntax, other names, extensions, whole file names. An extension that several languages use stands with the commonest.
const TABLE: &[Language] = &[
    code("ActionScript", "ActionScript", "", "as", ""),
    code("Ada", "Ada", "", "adb ads gpr", ""),
    code("AppleScript", "AppleScript", "osascript", "applescript", ""),
    prose("AsciiDoc", "AsciiDoc (Asciidoctor)", "", "adoc asciidoc", ""),
    code("Assembly", "ARM Assembly", "asm gas", "s S", ""),
    code("Assembly (NASM)", "x86_64 Assembly", "nasm", "asm nasm yasm", ""),
    code("AWK", "AWK", "gawk mawk", "awk", ""),
    code("Batch", "Batch File", "bat", "bat cmd", ""),
    code("BibTeX", "BibTeX", "", "bib", ""),
    code("C", "C", "", "c h", ""),
    code("C#", "C#", "csharp", "cs csx", ""),
    code("C++", "C++", "cpp cxx", "cpp cc cxx c++ C H hh hpp hxx h++ inl ipp tcc tpp ixx", ""),
    code("Cabal", "Cabal", "", "cabal", ""),
    code("Clojure", "Clojure", "", "clj cljc cljs edn", ""),
    code("CMake", "CMake", "", "cmake", "CMakeLists.txt"),
    code("CoffeeScript", "CoffeeScript", "coffee", "coffee cson", "Cakefile"),
    code("Crystal", "Crystal", "", "cr", ""),
    code("CSS", "CSS", "", "css", ""),
    prose("CSV", "Separated Values", "", "csv tsv", ""),
    code("CUDA", "C++", "", "cu cuh", ""),
    code("D", "D", "dlang", "d di", ""),
    code("Dart", "Dart", "", "dart", ""),
    code("Device Tree", "C", "dts devicetree", "dts dtsi", ""),
    prose("Diff", "Diff", "patch", "diff patch", ""),
    code("Dockerfile", "Dockerfile", "docker", "dockerfile", "Dockerfile Containerfile dockerfile"),
    code("Elixir", "Elixir", "", "ex exs", ""),
    code("Elm", "Elm", "", "elm", ""),
    code("Emacs Lisp", "Lisp", "elisp emacs-lisp", "el", ".emacs"),
    code("Erlang", "Erlang", "escript", "erl hrl escript", "Emakefile rebar.config"),
    code("F#", "F#", "fsharp", "fs fsi fsx", ""),
    code("Fish", "Fish", "", "fish", ""),
    code("Fortran", "Fortran (Modern)", "", "f90 F90 f95 F95 f03 F03 f08 F08", ""),
    code("Fortran (fixed form)", "Fortran (Fixed Form)", "", "f F f77 F77 for", ""),
    code("GDScript", "GDScript (Godot Engine)", "", "gd", ""),
    prose("Gettext", "Gettext", "po", "po pot", ""),
    code("Git attributes", "Git Attributes", "gitattributes", "", ".gitattributes"),
    code("Git configuration", "Git Config", "gitconfig", "", ".gitconfig .gitmodules"),
    code("Git ignore", "Git Ignore", "gitignore", "", ".gitignore .dockerignore .npmignore .ignore"),
    code("GLSL", "GLSL", "", "glsl vert frag geom comp tesc tese", ""),
    code("Go", "Go", "golang", "go", ""),
    code("Go module", "Gomod", "gomod", "", "go.mod go.work"),
    code("Go checksums", "Gosum", "gosum", "", "go.sum"),
    code("GraphQL", "GraphQL", "", "graphql graphqls gql", ""),
    code("Graphviz", "Graphviz (DOT)", "dot", "dot gv", ""),
    code("Groovy", "Groovy", "gradle", "groovy gvy gradle", "Jenkinsfile"),
    code("Haskell", "Haskell", "runhaskell", "hs", ""),
    prose("HTML", "HTML", "", "html htm xhtml shtml", ""),
    code("Idris", "Idris", "", "idr", ""),
    code("INI", "INI", "conf", "ini cfg conf inf reg desktop", ".coveragerc .pylintrc .hgrc"),
    code("Java", "Java", "", "java", ""),
    code("JavaScript", "JavaScript (Babel)", "js node nodejs", "js mjs cjs jsx es6", ""),
    code("Jinja", "Jinja2", "jinja2", "j2 jinja jinja2", ""),
    code("jq", "JQ", "", "jq", ""),
    code("JSON", "JSON", "", "json jsonc json5 geojson webmanifest ipynb tfstate", "Pipfile.lock composer.lock .babelrc .eslintrc"),
    code("Jsonnet", "jsonnet", "", "jsonnet libsonnet", ""),
    code("JSP", "Java Server Page (JSP)", "", "jsp", ""),
    code("Julia", "Julia", "", "jl", ""),
    code("Kconfig", "Kconfig", "", "", "Kconfig Kbuild.include"),
    code("Kotlin", "Kotlin", "", "kt kts", ""),
    code("Lean", "Lean 4", "", "lean", ""),
    code("Less", "Less", "", "less", ""),
    code("Lex", "C", "flex", "l lex", ""),
    code("Linker script", "Linker Script", "ld", "ld lds", ""),
    code("Lisp", "Lisp", "common-lisp sbcl clisp", "lisp lsp cl asd", ""),
    prose("Literate Haskell", "Literate Haskell", "", "lhs", ""),
    code("LLVM IR", "LLVM", "llvm", "ll", ""),
    prose("Log", "log", "", "log", ""),
    code("Lua", "Lua", "luajit", "lua", ""),
    code("M4", "M4", "autoconf", "m4 ac", "configure.ac"),
    code("Makefile", "Makefile", "make", "mk mak make am", "Makefile makefile GNUmakefile Kbuild OCamlMakefile BSDmakefile"),
    prose("Markdown", "Markdown", "md", "md markdown mdown mkd mdx", ""),
    code("MATLAB", "MATLAB", "octave", "matlab", ""),
    code("Meson", "Python", "", "", "meson.build meson_options.txt meson.options"),
    code("Nginx", "nginx", "", "", "nginx.conf mime.types fastcgi_params"),
    code("Nim", "Nim", "", "nim nims nimble", ""),
    code("Ninja", "Ninja", "", "ninja", ""),
    code("Nix", "Nix", "", "nix", ""),
    code("NSIS", "NSIS", "", "nsi nsh", ""),
    code("Objective-C", "Objective-C", "objc objectivec", "m", ""),
    code("Objective-C++", "Objective-C++", "objc++ objcpp", "mm M", ""),
    code("OCaml", "OCaml", "", "ml mli", ""),
    code("ocamllex", "OCamllex", "", "mll", ""),
    code("ocamlyacc", "OCamlyacc", "", "mly", ""),
    code("Odin", "Odin", "", "odin", ""),
    prose("Org", "orgmode", "orgmode", "org", ""),
    code("Pascal", "Pascal", "delphi", "pas dpr", ""),
    code("Perl", "Perl", "", "pl pm pod t PL perl", "cpanfile"),
    code("PHP", "PHP", "", "php php3 php4 php5 phtml phpt", ""),
    code("PowerShell", "PowerShell", "pwsh", "ps1 psm1 psd1", ""),
    code("Protocol Buffers", "Protocol Buffer", "proto protobuf", "proto", ""),
    code("Puppet", "Puppet", "", "pp epp", ""),
    code("PureScript", "PureScript", "", "purs", ""),
    code("Python", "Python", "py pypy", "py pyi pyw gyp gypi xsh sage", "SConstruct SConscript wscript"),
    code("QML", "QML", "", "qml", ""),
    code("R", "R", "rscript Rscript", "r R", ".Rprofile"),
    code("Racket", "Racket", "", "rkt", ""),
    code("Rego", "Rego", "", "rego", ""),
    code("Requirements", "Requirements.txt", "", "", "requirements.txt requirements.in"),
    prose("reStructuredText", "reStructuredText", "rest", "rst", ""),
    code("Robot Framework", "Robot Framework", "robot", "robot", ""),
    prose("Roff", "Groff/troff", "groff troff man", "roff man 1 2 3 4 5 6 7 8 9", ""),
    code("Ruby", "Ruby", "rake jruby", "rb rake gemspec podspec ru", "Rakefile Gemfile Guardfile Vagrantfile Podfile Brewfile config.ru"),
    code("Rust", "Rust", "", "rs", ""),
    code("Sass", "Sass", "", "sass", ""),
    code("Scala", "Scala", "", "scala sbt sc", ""),
    code("Scheme", "Lisp", "guile", "scm ss sld", ""),
    code("SCSS", "SCSS", "", "scss", ""),
    code(
        "Shell",
        "Bourne Again Shell (bash)",
        "sh bash dash ash ksh mksh zsh",
        "sh bash zsh ksh ebuild eclass bats",
        ".bashrc .bash_profile .bash_aliases .bash_logout .profile .zshrc .zshenv .zprofile .envrc PKGBUILD APKBUILD configure",
    ),
    code("Slim", "Ruby Slim", "", "slim", ""),
    code("SML", "SML", "", "sml", ""),
    code("Solidity", "Solidity", "", "sol", ""),
    code("SQL", "SQL", "sqlite psql", "sql ddl dml", ""),
    code("SSH configuration", "SSH Config", "", "", "ssh_config"),
    code("Starlark", "Python", "bazel", "bzl bazel star", "BUILD WORKSPACE BUCK BUILD.bazel"),
    code("Stylus", "Stylus", "", "styl", ""),
    code("Svelte", "Svelte", "", "svelte", ""),
    code("SVG", "XML", "", "svg", ""),
    code("Swift", "Swift", "", "swift", ""),
    code("SystemVerilog", "SystemVerilog", "", "sv svh", ""),
    code("Tcl", "Tcl", "tclsh wish expect", "tcl tk exp", ""),
    code("Terraform", "Terraform", "hcl", "tf tfvars hcl", ""),
    prose("TeX", "LaTeX", "latex", "tex ltx sty cls dtx", ""),
    prose("Texinfo", "Texinfo", "", "texi texinfo txi", ""),
    prose("Text", "", "txt plain", "txt text", "README LICENSE LICENCE COPYING AUTHORS NEWS INSTALL TODO CHANGES ChangeLog MAINTAINERS"),
    prose("Textile", "Textile", "", "textile", ""),
    code("TOML", "TOML", "", "toml", "Cargo.lock poetry.lock uv.lock pdm.lock Gopkg.lock Pipfile"),
    code("TypeScript", "TypeScript", "ts deno bun", "ts mts cts", ""),
    code("TSX", "TypeScriptReact", "", "tsx", ""),
    prose("Typst", "Typst", "", "typ", ""),
    code("Verilog", "Verilog", "", "v vh", ""),
    code("VHDL", "VHDL", "", "vhd vhdl", ""),
    code("Vim script", "VimL", "vim viml vimscript", "vim", ".vimrc _vimrc .gvimrc .exrc"),
    code("Vue", "Vue Component", "", "vue", ""),
    code("Vyper", "Vyper", "", "vy", ""),
    code("WGSL", "WGSL", "", "wgsl", ""),
    code("XML", "XML", "", "xml xsd xsl xslt rng rss plist wsdl xaml csproj vcxproj props targets", "pom.xml"),
    code("Yacc", "C", "bison", "y yy", ""),
    code("YAML", "YAML", "yml", "yaml yml", ".clang-format .clang-tidy"),
    code("Zig", "Zig", "", "zig zon", ""),
    code("Apache configuration", "Apache Conf", "apacheconf", "htaccess", ".htaccess httpd.conf apache2.conf"),
    code("Arduino", "C++", "", "ino pde", ""),
    code("ASN.1", "ASN.1", "asn1 mib", "asn1 asn mib", ""),
    code("ASP", "HTML (ASP)", "", "asp", ""),
    code("Avro schema", "JSON", "avro", "avsc", ""),
    code("BitBake", "Recipe", "", "bb bbclass bbappend", ""),
    code("BPF trace", "C", "bpftrace", "bt", ""),
    code("Cap'n Proto", "Schema", "capnp", "capnp", ""),
    code("Caddy", "Server Configuration", "caddyfile", "", "Caddyfile"),
    code("CMake cache", "CMakeCache", "", "", "CMakeCache.txt"),
    code("Cron table", "Crontab", "crontab", "crontab", "crontab"),
    code("Cython", "Python", "", "pyx pxd pxi", ""),
    code("Debian control", "Debian Control", "", "dsc", "control"),
    code("Debian sources", "debsources", "", "", "sources.list"),
    code("Dhall", "Haskell", "", "dhall", ""),
    code("EditorConfig", "INI", "", "", ".editorconfig"),
    code("EEx", "HTML (EEx)", "heex", "eex leex heex", ""),
    code("Email", "Email", "", "eml", ""),
    code("Environment", "DotENV", "dotenv", "env", ".env"),
    code("ERB", "HTML (Rails)", "", "erb rhtml", ""),
    code("FlatBuffers", "Schema", "fbs", "fbs", ""),
    code("Fortran namelist", "Fortran Namelist", "", "nml namelist", ""),
    code("fstab", "fstab", "", "fstab", "fstab crypttab"),
    code("Git mail map", "Git Mailmap", "mailmap", "", ".mailmap"),
    code("GN", "Build Rules", "", "gn gni", ""),
    code("gnuplot", "gnuplot", "", "gp gpl plt gnuplot", ""),
    code("HAProxy", "Server Configuration", "", "", "haproxy.cfg"),
    code("HLSL", "GLSL", "", "hlsl hlsli fx fxh", ""),
    code("Hosts", "INI", "", "", "hosts"),
    code("HTTP", "HTTP Request and Response", "", "http", ""),
    code("Inno Setup", "INI", "", "iss", ""),
    code("Java properties", "Java Properties", "", "properties", ""),
    code("Just", "Recipe", "justfile", "just", "Justfile justfile .justfile"),
    code("LiveScript", "LiveScript", "", "ls", "Slakefile"),
    code("MediaWiki", "MediaWiki", "wikitext", "mediawiki wikitext", ""),
    code("Metal", "C++", "", "metal", ""),
    code("Mojo", "Python", "", "mojo", ""),
    code("nftables", "Server Configuration", "nft", "nft", "nftables.conf"),
    code("OCaml build", "Lisp", "dune", "", "dune dune-project dune-workspace"),
    code("OpenCL", "C", "", "opencl clcpp", ""),
    code("PEM", "Private Key", "", "pem", ""),
    code("Protocol Buffers text", "Protocol Buffer (TEXT)", "textproto", "pbtxt prototxt textproto textpb", ""),
    code("R documentation", "Rd (R Documentation)", "", "rd Rd", ""),
    code("Haml", "Ruby Haml", "", "haml", ""),
    code("Salt state", "Salt State (SLS)", "salt", "sls", ""),
    code("Snakemake", "Python", "", "smk snake", "Snakefile"),
    code("Soong", "Build Rules", "blueprint", "bp", ""),
    code("SSH daemon configuration", "SSHD Config", "", "", "sshd_config"),
    code("strace", "Strace", "", "strace", ""),
    code("SystemTap", "C", "", "stp", ""),
    code(
        "systemd unit",
        "INI",
        "systemd",
        "service socket target timer mount automount slice scope network netdev nspawn swap preset",
        "systemd.conf",
    ),
    code("Tcl script", "Tcl", "", "sdc xdc upf", ""),
    code("Thrift", "Schema", "", "thrift", ""),
    code("Tiltfile", "Python", "", "", "Tiltfile"),
    code("Todo.txt", "Todo.txt", "", "", "todo.txt"),
    code("Twig", "HTML (Twig)", "", "twig", ""),
    code("udev rules", "Rules", "udev", "rules", ""),
    code("Vala", "C#", "", "vala vapi", ""),
    code("Varlink", "varlink", "", "varlink", ""),
    code("Varnish", "Server Configuration", "vcl", "vcl", ""),
    code("WebIDL", "Schema", "", "webidl", ""),
    code("IDL", "Schema", "omgidl", "idl", ""),
    code("WIT", "Schema", "", "wit", ""),
    code("AppArmor", "Server Configuration", "", "apparmor", ""),
    code("P4", "C", "", "p4", ""),
    code("Haxe", "Java", "", "hx", ""),
    code("Apex", "Java", "", "apex trigger", ""),
    code("Ballerina", "Java", "", "bal", ""),
    code("Chapel", "C++", "", "chpl", ""),
    code("Carbon", "Rust", "", "carbon", ""),
    code("Move", "Rust", "", "move", ""),
    code("Cairo", "Rust", "", "cairo", ""),
    code("Nushell", "Fish", "nu", "nu", ""),
    code("Gleam", "Rust", "", "gleam", ""),
    code("ISPC", "C", "", "ispc", ""),
    code("SWIG", "C++", "", "swg", ""),
    code("Ragel", "C", "", "rl", ""),
    code("RPM spec", "Recipe", "rpmspec", "spec", ""),
    code("Soy", "HTML", "", "soy", ""),
    code("Handlebars", "HTML", "mustache", "hbs handlebars mustache", ""),
    code("Liquid", "HTML", "", "liquid", ""),
    code("EJS", "HTML", "", "ejs", ""),
    code("Astro", "HTML", "", "astro", ""),
    code("WiX", "XML", "", "wxs wxi wxl", ""),
    code("Qt interface", "XML", "", "ui qrc", ""),
    code("Jam", "Recipe", "", "jam", "Jamfile Jamroot"),
    code("Earthfile", "Dockerfile", "", "", "Earthfile"),
    code("Procfile", "YAML", "", "", "Procfile"),
    code("Hack", "PHP", "", "hack hhi", ""),
    code("Squirrel", "JavaScript (Babel)", "", "nut", ""),
    code("Bicep", "Build Rules", "", "bicep bicepparam", ""),
    code("CUE", "Build Rules", "", "cue", ""),
    code("KDL", "Build Rules", "", "kdl", ""),
    code("JSON lines", "JSON", "jsonl ndjson", "jsonl ndjson", ""),
    code("LDIF", "Debian Control", "", "ldif", ""),
    code("TableGen", "Build Rules", "", "td", ""),
    code("Device configuration", "INI", "", "cnf", ""),
    prose("POD", "Perl", "", "pod6", ""),
    prose("Sieve", "Server Configuration", "", "sieve siv", ""),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn name(path: &str, first_line: &str) -> Option<&'static str> {
        language_of(path, first_line).map(Language::name)
    }

    #[test]
    fn by_the_name_of_the_file() {
        for (path, expected) in [
            ("src/main.rs", "Rust"),
            ("a/b/verify.c", "C"),
            ("verify.h", "C"),
            ("X.CPP", "C++"),
            ("x.C", "C++"),
            ("Makefile", "Makefile"),
            ("arch/Makefile.am", "Makefile"),
            ("Makefile.in", "Makefile"),
            ("config.h.in", "C"),
            ("a.tar/CMakeLists.txt", "CMake"),
            ("Dockerfile.dev", "Dockerfile"),
            ("Kconfig.debug", "Kconfig"),
            ("README", "Text"),
            ("README.md", "Markdown"),
            ("git.1", "Roff"),
            (".gitignore", "Git ignore"),
            ("analysis.R", "R"),
            ("boot.S", "Assembly"),
            ("go.mod", "Go module"),
            ("Cargo.lock", "TOML"),
        ] {
            assert_eq!(name(path, ""), Some(expected), "{path}");
        }
        assert_eq!(name("data.unknown", ""), None);
        assert_eq!(name("rs", ""), None);
        assert_eq!(name("", ""), None);
        assert_eq!(name(".", ""), None);
    }

    #[test]
    fn by_the_first_line_when_the_name_says_nothing() {
        for (line, expected) in [
            ("#!/bin/sh", "Shell"),
            ("#!/usr/bin/env python3", "Python"),
            ("#!/usr/bin/env -S node --flag", "JavaScript"),
            ("#! /usr/bin/perl -w", "Perl"),
            ("#!/usr/bin/python3.11", "Python"),
            ("/* -*- mode: C++; tab-width: 4 -*- */", "C++"),
            ("# -*- makefile -*-", "Makefile"),
            ("<?xml version=\"1.0\"?>", "XML"),
            ("<!DOCTYPE html>", "HTML"),
        ] {
            assert_eq!(name("bin/tool", line), Some(expected), "{line}");
        }
        assert_eq!(name("bin/tool", "#!/opt/own/thing"), None);
        assert_eq!(name("main.c", "#!/bin/sh"), Some("C"));
    }

    #[test]
    fn by_the_word_a_person_types() {
        for (word, expected) in
            [("c++", "C++"), ("CPP", "C++"), ("rs", "Rust"), ("Rust", "Rust"), ("golang", "Go"), ("yml", "YAML"), ("c", "C")]
        {
            assert_eq!(language_named(word).map(Language::name), Some(expected), "{word}");
        }
        assert_eq!(language_named("klingon"), None);
    }

    #[test]
    fn names_and_extensions_are_given_once() {
        let mut seen = std::collections::HashSet::new();
        for language in languages() {
            assert!(seen.insert(format!("name {}", language.name.to_lowercase())), "{language}");
            for word in language.aliases.split(' ').filter(|word| !word.is_empty()) {
                assert!(seen.insert(format!("name {word}")), "{word} of {language}");
            }
            for word in language.extensions.split(' ').filter(|word| !word.is_empty()) {
                assert!(seen.insert(format!("extension {word}")), "{word} of {language}");
            }
            for word in language.files.split(' ').filter(|word| !word.is_empty()) {
                assert!(seen.insert(format!("file {word}")), "{word} of {language}");
            }
        }
    }
}
