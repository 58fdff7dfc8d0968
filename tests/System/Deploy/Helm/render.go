// render prints what a chart becomes, where there is no helm: Go's own templates with sprig's functions, as helm has them.
//
//	go run render.go CHART [VALUES...]
package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/template"

	"github.com/Masterminds/sprig"
	"gopkg.in/yaml.v3"
)

type object = map[string]interface{}

type files struct{ chart string }

func (f files) Get(name string) string { return read(filepath.Join(f.chart, name)) }

func main() {
	chart := os.Args[1]
	values := parse(filepath.Join(chart, "values.yaml"))
	for _, more := range os.Args[2:] {
		merge(values, parse(more))
	}
	about := parse(filepath.Join(chart, "Chart.yaml"))
	data := object{
		"Values":  values,
		"Chart":   object{"Name": about["name"], "Version": about["version"], "AppVersion": about["appVersion"]},
		"Release": object{"Name": "orleans-cache", "Namespace": "orleans-cache", "Service": "Helm"},
		"Files":   files{chart},
	}

	all := template.New("chart").Option("missingkey=error")
	functions := sprig.TxtFuncMap()
	functions["toYaml"] = func(value interface{}) string {
		text, err := yaml.Marshal(value)
		check(err)
		return strings.TrimSuffix(string(text), "\n")
	}
	functions["include"] = func(name string, data interface{}) (string, error) {
		var text bytes.Buffer
		err := all.ExecuteTemplate(&text, name, data)
		return text.String(), err
	}
	all.Funcs(functions)
	paths, err := filepath.Glob(filepath.Join(chart, "templates", "*"))
	check(err)
	for _, path := range paths {
		template.Must(all.New(path).Parse(read(path)))
	}
	for _, path := range paths {
		if strings.HasSuffix(path, ".yaml") {
			var text bytes.Buffer
			check(all.ExecuteTemplate(&text, path, data))
			// What is turned off is nothing, not an empty document.
			if strings.TrimSpace(text.String()) != "" {
				fmt.Printf("---\n# %s\n%s\n", filepath.Base(path), text.String())
			}
		}
	}
}

// A null takes a value away, as helm has it.
func merge(into, more object) {
	for name, value := range more {
		inner, isObject := value.(object)
		former, wasObject := into[name].(object)
		switch {
		case value == nil:
			delete(into, name)
		case isObject && wasObject:
			merge(former, inner)
		default:
			into[name] = value
		}
	}
}

func parse(path string) object {
	var parsed object
	check(yaml.Unmarshal([]byte(read(path)), &parsed))
	return parsed
}

func read(path string) string {
	text, err := os.ReadFile(path)
	check(err)
	return string(text)
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
