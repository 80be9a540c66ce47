// SPDX-License-Identifier: GPL-3.0-or-later
// Jinja's parts one by one against jinja2 as transformers sets it up, and the limits of what a template may use.
#include "core/text/jinja/jinja.h"
#include "tests/text/golden.h"

namespace headscope::text {
namespace {

TEST(Jinja, EqualsJinja2) {
  std::ifstream in(golden_path("jinja.json"));
  const auto all = nlohmann::ordered_json::parse(in);
  ASSERT_GT(all["rows"].size(), 50U);
  for (const auto& row : all["rows"]) {
    JinjaVariables variables;
    for (const auto& [name, value] : all["variables"].items())
      variables[name] = value;
    const auto source = row["template"].get<std::string>();
    const auto parsed = JinjaTemplate::parse(source);
    const auto text = parsed.ok() ? parsed->render(variables) : Result<std::string>(parsed.error());
    EXPECT_EQ(text.ok(), row.contains("text")) << source << (text.ok() ? "" : text.error().message);
    if (text.ok() && row.contains("text")) {
      EXPECT_EQ(*text, row["text"].get<std::string>()) << source;
    }
  }
}

void expect_bounded(const std::string& source, const std::string& part) {
  const auto parsed = JinjaTemplate::parse(source);
  const auto text = parsed.ok() ? parsed->render({}) : Result<std::string>(parsed.error());
  ASSERT_FALSE(text.ok()) << source.substr(0, 100);
  EXPECT_EQ(text.error().code, ErrorCode::corrupt);
  EXPECT_NE(text.error().message.find(part), std::string::npos) << source.substr(0, 100) << text.error().message;
}

std::string repeated(const std::string& text, int count) {
  std::string out;
  for (int i = 0; i < count; ++i)
    out += text;
  return out;
}

TEST(Jinja, ChainsAndBracketsAreBounded) {
  for (const char* link : {"+1", "~1", " and 1", " or 1", "|string", ".a", "[0]", "()", "**1", " if 1 else 1", "*1"})
    expect_bounded("{{ a" + repeated(link, 100'000) + " }}", "too deeply");
  for (const char* opening : {"[", "(", "{1:", "not ", "-"})
    expect_bounded("{{ " + repeated(opening, 100'000), "");
  expect_bounded(repeated("{% if 1 %}", 100'000), "too deeply");
  EXPECT_TRUE(JinjaTemplate::parse("{{ 1" + repeated("+1", 400) + " }}").ok());
}

TEST(Jinja, WhatItMakesIsBounded) {
  const std::string twice = "{% set n=namespace(s='x',l=[1],t=(1,)) %}{% for i in range(60) %}{% set ";
  expect_bounded(twice + "n.s=n.s+n.s %}{% endfor %}", "bytes");
  expect_bounded(twice + "n.l=n.l+n.l %}{% endfor %}", "elements");
  expect_bounded(twice + "n.l=[n.l,n.l] %}{% endfor %}{{ n.l }}", "steps");
  expect_bounded(twice + "n.l=[n.l,n.l] %}{% endfor %}{{ n.l|tojson }}", "steps");
  expect_bounded(twice + "n.t=(n.t,n.t) %}{% endfor %}{{ {n.t: 1} }}", "");
  expect_bounded("{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}", "steps");
  expect_bounded("{{ 'x' * 9999999999 }}", "bytes");
  expect_bounded("{{ [1] * 9999999999 }}", "elements");
  expect_bounded("{{ ('a' * 100000)|replace('a', 'b' * 100000) }}", "bytes");
  expect_bounded("{{ range(100000)|join('x' * 100000) }}", "");
  expect_bounded("{% for i in range(100000) %}{{ 'x' * 100000 }}{% endfor %}", "");
  expect_bounded("{{ '%999999999d' % 1 }}", "characters");
  expect_bounded("{% macro f(n) %}{{ f(n+1) }}{% endmacro %}{{ f(0) }}", "deep");
  expect_bounded("{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}", "deep");
  expect_bounded("{% set n=namespace(s=[]) %}{% for i in range(99999) %}{% set n.s=[n.s] %}{% endfor %}{{ n.s }}",
                 "deep");
}

// Operations that pass over a long text or list many times are bounded by the bytes that they read.
TEST(Jinja, LongValuesUsedOftenAreBounded) {
  const std::string often = "{% for i in range(100000) %}";
  const std::string text = "{% set a = 'a' * 30000000 %}{% set b = 'a' * 30000000 %}";
  for (const char* use : {"{{ a == b }}", "{{ a < b }}", "{{ b in a }}", "{{ a.startswith(b) }}", "{{ a.isupper() }}",
                          "{{ a|wordcount }}", "{{ a|length }}", "{{ a|int }}", "{{ a.strip('b') }}",
                          "{{ {a: 1}|length }}", "{{ a.find('b') }}", "{{ a.count('aa') }}", "{{ a.rfind(b ~ 'c') }}"})
    expect_bounded(text + often + use + "{% endfor %}", "steps");
  const std::string halves = "{% set a = 'a' * 20000000 %}{% set b = 'a' * 10000000 ~ 'b' %}";
  for (const char* use : {"{{ b in a }}", "{{ a.find(b) }}", "{{ a.replace(b, '')|length }}", "{{ a.rindex(b) }}",
                          "{{ a.partition(b)|length }}", "{{ a.rpartition(b)|length }}"})
    expect_bounded(halves + often + use + "{% endfor %}", "steps");
  expect_bounded("{% set l = [1] * 60000 %}" + often + "{% for x in l %}{% break %}{% endfor %}{% endfor %}", "steps");
}

// Deeply nested lists are freed without recursion, and a namespace may contain itself.
TEST(Jinja, CirclesAndDepth) {
  const auto deep = JinjaTemplate::parse(
      "{% set n=namespace(s=[]) %}{% for i in range(99999) %}{% set n.s=[n.s] %}{% endfor %}{% set n.n=[n] %}ok");
  ASSERT_TRUE(deep.ok());
  const auto text = deep->render({});
  ASSERT_TRUE(text.ok()) << text.error().message;
  EXPECT_EQ(*text, "ok");
}

} // namespace
} // namespace headscope::text
