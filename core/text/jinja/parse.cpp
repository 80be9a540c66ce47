// SPDX-License-Identifier: GPL-3.0-or-later
// Parses the tokens of a chat template by recursive descent.
#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>

#include "core/text/jinja/lexer.h"

namespace headscope::text::jinja {

namespace {

class Parser {
public:
  explicit Parser(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}

  std::unique_ptr<Block> run() {
    auto root = block({});
    if (now().kind != TokenKind::end) fail_here("unexpected end tag");
    return root;
  }

private:
  const Token& now() const { return tokens_[at_]; }
  const Token& take() { return tokens_[at_ + 1 < tokens_.size() ? at_++ : at_]; }
  [[noreturn]] void fail_here(const std::string& message) const { fail(ErrorCode::corrupt, message, now().line); }
  bool is_word(std::string_view word) const { return now().kind == TokenKind::name && now().text == word; }
  bool is_symbol(std::string_view symbol) const { return now().kind == TokenKind::symbol && now().text == symbol; }
  bool take_word(std::string_view word) { return is_word(word) && (take(), true); }
  bool take_symbol(std::string_view symbol) { return is_symbol(symbol) && (take(), true); }
  void need_symbol(std::string_view symbol) {
    if (!take_symbol(symbol)) fail_here("expected '" + std::string(symbol) + "'");
  }
  void need(TokenKind kind, const char* what) {
    if (now().kind != kind) fail_here(std::string("expected ") + what);
    take();
  }
  std::string need_name() {
    if (now().kind != TokenKind::name) fail_here("expected a name");
    return take().text;
  }

  // Bounds the recursion of a hostile template.
  struct Depth {
    explicit Depth(Parser& parser) : parser_(parser) {
      if (++parser_.depth_ > limits::nesting)
        parser_.fail_here("the template is nested too deeply: " + std::to_string(limits::nesting) +
                          " statements or expressions inside one another are the most");
    }
    ~Depth() { --parser_.depth_; }
    Depth(const Depth&) = delete;
    Depth& operator=(const Depth&) = delete;
    Parser& parser_;
  };

  // Parses statements up to a tag whose first word is in `ends`; that word is then the current token.
  std::unique_ptr<Block> block(const std::vector<std::string_view>& ends) {
    const Depth depth(*this);
    auto out = std::make_unique<Block>();
    while (now().kind != TokenKind::end) {
      if (now().kind == TokenKind::text) {
        Statement statement;
        statement.text = take().text;
        out->statements.push_back(std::move(statement));
      } else if (now().kind == TokenKind::begin_output) {
        take();
        Statement statement;
        statement.kind = StatementKind::output;
        statement.expression = tuple_or_one();
        need(TokenKind::end_output, "'}}'");
        out->statements.push_back(std::move(statement));
      } else {
        need(TokenKind::begin_statement, "'{%'");
        if (std::find(ends.begin(), ends.end(), now().text) != ends.end()) return out;
        statement(*out);
      }
    }
    if (!ends.empty()) fail_here("'" + std::string(ends.back()) + "' is missing");
    return out;
  }

  void end_tag() { need(TokenKind::end_statement, "'%}'"); }

  void statement(Block& out) {
    const int line = now().line;
    const std::string word = need_name();
    if (word == "generation") { // marks the assistant's text for training; renders as its body
      end_tag();
      auto body = block({"endgeneration"});
      take();
      end_tag();
      for (Statement& inner : body->statements)
        out.statements.push_back(std::move(inner));
      return;
    }
    Statement statement;
    if (word == "if")
      statement = condition();
    else if (word == "for")
      statement = loop();
    else if (word == "set")
      statement = assignment();
    else if (word == "macro")
      statement = macro();
    else if (word == "call")
      statement = call_block();
    else if (word == "filter")
      statement = filter_block();
    else if (word == "with")
      statement = with();
    else if (word == "block" || word == "autoescape")
      statement = plain_block(word);
    else if (word == "break")
      statement.kind = StatementKind::leave;
    else if (word == "continue")
      statement.kind = StatementKind::next;
    else
      fail(ErrorCode::unsupported, "the statement '" + word + "' is not supported", line);
    end_tag();
    out.statements.push_back(std::move(statement));
  }

  // Parses the body up to the end tag of that name, and moves past the tag's word.
  void body(Statement& out, std::string_view end) {
    end_tag();
    out.branches.push_back({nullptr, block({end})});
    take();
  }

  std::vector<Parameter> parameters() {
    std::vector<Parameter> out;
    need_symbol("(");
    while (!take_symbol(")")) {
      Parameter parameter;
      parameter.name = need_name();
      if (take_symbol("=")) parameter.otherwise = expression();
      out.push_back(std::move(parameter));
      if (!is_symbol(")")) need_symbol(",");
    }
    return out;
  }

  Statement macro() {
    Statement out;
    out.kind = StatementKind::macro;
    out.text = need_name();
    out.parameters = parameters();
    body(out, "endmacro");
    if (now().kind == TokenKind::name) take(); // the name once more
    return out;
  }

  Statement call_block() {
    Statement out;
    out.kind = StatementKind::call_block;
    if (is_symbol("(")) out.parameters = parameters();
    out.expression = expression();
    if (out.expression->kind != ExpressionKind::call) fail_here("'call' needs the call of a macro");
    body(out, "endcall");
    return out;
  }

  // Parses the filters of "a | b(c) | d" without the value `a`.
  ExpressionPtr filters_of_body() {
    auto value = make(ExpressionKind::filter, dotted_name(), make(ExpressionKind::body));
    if (take_symbol("(")) call_arguments(*value);
    return filters(std::move(value));
  }

  Statement filter_block() {
    Statement out;
    out.kind = StatementKind::filter_block;
    out.expression = filters_of_body();
    body(out, "endfilter");
    return out;
  }

  Statement with() {
    Statement out;
    out.kind = StatementKind::scope;
    while (now().kind != TokenKind::end_statement) {
      if (!out.targets.empty()) need_symbol(",");
      out.targets.push_back(target());
      need_symbol("=");
      out.values.push_back(expression());
    }
    body(out, "endwith");
    return out;
  }

  Statement plain_block(const std::string& word) {
    Statement out;
    out.kind = StatementKind::scope;
    if (word == "autoescape" && now().text != "false" && now().text != "False")
      fail(ErrorCode::unsupported, "'autoescape' is supported with false only", now().line);
    while (now().kind != TokenKind::end_statement && now().kind != TokenKind::end)
      take(); // its name, which is not used
    body(out, word == "block" ? "endblock" : "endautoescape");
    if (now().kind == TokenKind::name) take();
    return out;
  }

  Target target() {
    const Depth depth(*this);
    Target out;
    if (take_symbol("(")) {
      out = targets(")");
      need_symbol(")");
      return out;
    }
    out.name = need_name();
    if (take_symbol(".")) out.member = need_name();
    return out;
  }

  // Parses "a, b" as one target with parts, and "a" as itself.
  Target targets(std::string_view end) {
    Target first = target();
    if (!is_symbol(",")) return first;
    Target out;
    out.parts.push_back(std::move(first));
    while (take_symbol(","))
      if (!is_symbol(end) && !is_word(end) && !is_symbol("=")) out.parts.push_back(target());
    return out;
  }

  Statement condition() {
    Statement out;
    out.kind = StatementKind::condition;
    ExpressionPtr test = expression();
    while (true) {
      end_tag();
      auto body = block({"elif", "else", "endif"});
      const bool last = test == nullptr;
      out.branches.push_back({std::move(test), std::move(body)});
      const std::string word = take().text;
      if (word == "endif") return out;
      if (last) fail_here("'" + word + "' after 'else'");
      if (word == "elif") test = expression();
    }
  }

  Statement loop() {
    Statement out;
    out.kind = StatementKind::loop;
    out.targets.push_back(targets("in"));
    if (!take_word("in")) fail_here("expected 'in'");
    out.expression = tuple_or_one(false);
    if (take_word("if")) out.filter = expression();
    out.recursive = take_word("recursive");
    end_tag();
    out.branches.push_back({nullptr, block({"else", "endfor"})});
    if (take().text == "else") {
      end_tag();
      out.branches.push_back({nullptr, block({"endfor"})});
      take();
    }
    return out;
  }

  Statement assignment() {
    Statement out;
    out.kind = StatementKind::set;
    out.targets.push_back(targets("="));
    if (take_symbol("=")) {
      out.expression = tuple_or_one();
      return out;
    }
    out.kind = StatementKind::set_block;
    if (take_symbol("|")) out.expression = filters_of_body();
    body(out, "endset");
    return out;
  }

  // Parses "a, b" as a tuple.
  ExpressionPtr tuple_or_one(bool conditional = true) {
    const auto one = [&] { return conditional ? expression() : disjunction(); };
    ExpressionPtr first = one();
    if (!is_symbol(",")) return first;
    auto out = make(ExpressionKind::tuple, "", std::move(first));
    while (take_symbol(",")) {
      if (now().kind == TokenKind::end_output || now().kind == TokenKind::end_statement) break;
      add(*out, one());
    }
    return out;
  }

  static ExpressionPtr make(ExpressionKind kind, std::string text = {}) {
    auto out = std::make_unique<Expression>();
    out->kind = kind;
    out->text = std::move(text);
    return out;
  }
  ExpressionPtr make(ExpressionKind kind, std::string text, ExpressionPtr first, ExpressionPtr second = nullptr) {
    auto out = make(kind, std::move(text));
    add(*out, std::move(first));
    if (second) add(*out, std::move(second));
    return out;
  }
  ExpressionPtr literal(Value value) {
    auto out = make(ExpressionKind::literal);
    out->value = std::move(value);
    return out;
  }
  // Limits depth: long chains make a tree as deep as brackets do.
  void grow(Expression& out, const Expression& inner) {
    out.height = std::max(out.height, inner.height + 1);
    if (out.height > limits::nesting)
      fail_here("an expression is nested too deeply: " + std::to_string(limits::nesting) +
                " operators, filters, attributes or brackets inside one another are the most");
  }
  void add(Expression& out, ExpressionPtr inner) {
    if (inner) grow(out, *inner);
    out.arguments.push_back(std::move(inner));
  }

  ExpressionPtr expression() {
    const Depth depth(*this);
    ExpressionPtr value = disjunction();
    while (take_word("if")) {
      auto choice = make(ExpressionKind::choice, "", std::move(value), disjunction());
      add(*choice, take_word("else") ? expression() : nullptr);
      value = std::move(choice);
    }
    return value;
  }

  ExpressionPtr disjunction() {
    ExpressionPtr left = conjunction();
    while (take_word("or"))
      left = make(ExpressionKind::binary, "or", std::move(left), conjunction());
    return left;
  }

  ExpressionPtr conjunction() {
    ExpressionPtr left = negation();
    while (take_word("and"))
      left = make(ExpressionKind::binary, "and", std::move(left), negation());
    return left;
  }

  ExpressionPtr negation() {
    const Depth depth(*this);
    if (take_word("not")) return make(ExpressionKind::unary, "not", negation());
    return comparison();
  }

  // Parses a < b < c as (a < b) and (b < c), as in Python.
  ExpressionPtr comparison() {
    static constexpr std::array<std::string_view, 6> symbols = {"==", "!=", "<", "<=", ">", ">="};
    ExpressionPtr left = infix(0);
    ExpressionPtr out;
    while (true) {
      std::string operation;
      if (now().kind == TokenKind::symbol && std::find(symbols.begin(), symbols.end(), now().text) != symbols.end()) {
        operation = take().text;
      } else if (take_word("in")) {
        operation = "in";
      } else if (is_word("not") && tokens_[at_ + 1].kind == TokenKind::name && tokens_[at_ + 1].text == "in") {
        take();
        take();
        operation = "not in";
      } else {
        return out ? std::move(out) : std::move(left);
      }
      if (!out) out = make(ExpressionKind::comparison, "", std::move(left));
      out->operators.push_back(operation);
      add(*out, infix(0));
    }
  }

  // Parses + and -, then ~, then * / // and %: each level binds more tightly than the one before.
  ExpressionPtr infix(int level) {
    static const std::array<std::vector<std::string_view>, 4> levels = {
        {{"+", "-"}, {"~"}, {"*", "/", "//", "%"}, {"**"}}};
    if (level == 4) return unary();
    ExpressionPtr left = infix(level + 1);
    const auto& symbols = levels[static_cast<std::size_t>(level)];
    while (now().kind == TokenKind::symbol && std::find(symbols.begin(), symbols.end(), now().text) != symbols.end()) {
      const std::string operation = take().text;
      left = make(ExpressionKind::binary, operation, std::move(left), infix(level + 1));
    }
    return left;
  }

  // The sign belongs to the operand, not to what the filters make of it.
  ExpressionPtr unary() { return filters(signed_operand()); }

  ExpressionPtr signed_operand() {
    const Depth depth(*this);
    if (take_symbol("-")) return postfix(make(ExpressionKind::unary, "-", signed_operand()));
    if (take_symbol("+")) return postfix(signed_operand());
    return postfix(primary());
  }

  ExpressionPtr primary() {
    const Token token = take();
    if (token.kind == TokenKind::number) return number(token);
    if (token.kind == TokenKind::string) {
      std::string text = token.text;
      while (now().kind == TokenKind::string)
        text += take().text;
      return literal(Value(std::make_shared<const Text>(std::move(text), nullptr)));
    }
    if (token.kind == TokenKind::name) {
      if (token.text == "true" || token.text == "True") return literal(Value(true));
      if (token.text == "false" || token.text == "False") return literal(Value(false));
      if (token.text == "none" || token.text == "None") return literal(Value(None{}));
      return make(ExpressionKind::name, token.text);
    }
    if (token.text == "(" && token.kind == TokenKind::symbol) return parenthesis();
    if (token.text == "[" && token.kind == TokenKind::symbol) return list("]");
    if (token.text == "{" && token.kind == TokenKind::symbol) return dictionary();
    fail(ErrorCode::corrupt, "expected an expression", token.line);
  }

  ExpressionPtr number(const Token& token) {
    std::string text = token.text;
    text.erase(std::remove(text.begin(), text.end(), '_'), text.end());
    std::int64_t integer = 0;
    const char* end = text.data() + text.size();
    const bool prefixed = text.size() > 2 && text[0] == '0' && std::isalpha(static_cast<unsigned char>(text[1]));
    const int base = !prefixed ? 10 : text[1] == 'x' || text[1] == 'X' ? 16 : text[1] == 'o' || text[1] == 'O' ? 8 : 2;
    const auto parsed = std::from_chars(text.data() + (prefixed ? 2 : 0), end, integer, base);
    if (parsed.ec == std::errc() && parsed.ptr == end) return literal(Value(integer));
    // Python's integers have no limit; as a floating-point number it would print differently.
    if (parsed.ec == std::errc::result_out_of_range && parsed.ptr == end)
      fail(ErrorCode::corrupt, "'" + token.text + "' is too large a number", token.line);
    double real = 0;
    const auto parsed_real = std::from_chars(text.data(), end, real);
    if (prefixed || parsed_real.ec != std::errc() || parsed_real.ptr != end)
      fail(ErrorCode::corrupt, "'" + token.text + "' is no number", token.line);
    return literal(Value(real));
  }

  ExpressionPtr parenthesis() {
    if (take_symbol(")")) return make(ExpressionKind::tuple);
    ExpressionPtr value = expression();
    if (take_symbol(")")) return value;
    need_symbol(",");
    auto tuple = make(ExpressionKind::tuple, "", std::move(value));
    while (!take_symbol(")")) {
      add(*tuple, expression());
      if (!is_symbol(")")) need_symbol(",");
    }
    return tuple;
  }

  ExpressionPtr list(std::string_view close) {
    auto out = make(ExpressionKind::list);
    while (!take_symbol(close)) {
      add(*out, expression());
      if (!is_symbol(close)) need_symbol(",");
    }
    return out;
  }

  ExpressionPtr dictionary() {
    auto out = make(ExpressionKind::dictionary);
    while (!take_symbol("}")) {
      add(*out, expression());
      need_symbol(":");
      add(*out, expression());
      if (!is_symbol("}")) need_symbol(",");
    }
    return out;
  }

  ExpressionPtr postfix(ExpressionPtr value) {
    while (true) {
      if (take_symbol(".")) {
        if (now().kind == TokenKind::number) {
          auto index = number(take());
          value = make(ExpressionKind::item, "", std::move(value), std::move(index));
        } else {
          value = make(ExpressionKind::attribute, need_name(), std::move(value));
        }
      } else if (take_symbol("[")) {
        value = subscript(std::move(value));
      } else if (take_symbol("(")) {
        value = make(ExpressionKind::call, "", std::move(value));
        call_arguments(*value);
      } else {
        return value;
      }
    }
  }

  std::string dotted_name() {
    std::string out = need_name();
    while (take_symbol("."))
      out.append(".").append(need_name());
    return out;
  }

  ExpressionPtr filters(ExpressionPtr value) {
    while (true) {
      if (take_symbol("|")) {
        value = make(ExpressionKind::filter, dotted_name(), std::move(value));
        if (take_symbol("(")) call_arguments(*value);
      } else if (take_symbol("(")) {
        value = make(ExpressionKind::call, "", std::move(value));
        call_arguments(*value);
      } else if (take_word("is")) {
        value = test(std::move(value));
        if (is_word("is")) fail_here("tests cannot be chained");
      } else {
        return value;
      }
    }
  }

  ExpressionPtr subscript(ExpressionPtr value) {
    std::array<ExpressionPtr, 3> parts;
    std::size_t part = 0;
    while (!take_symbol("]")) {
      if (take_symbol(":")) {
        if (++part > 2) fail_here("a slice has three parts");
      } else if (parts[part]) {
        fail_here("expected ']'");
      } else {
        parts[part] = expression();
      }
    }
    if (part == 0) {
      if (!parts[0]) fail_here("an index is missing");
      return make(ExpressionKind::item, "", std::move(value), std::move(parts[0]));
    }
    auto out = make(ExpressionKind::slice, "", std::move(value));
    for (ExpressionPtr& bound : parts)
      add(*out, std::move(bound));
    return out;
  }

  void call_arguments(Expression& out) {
    while (!take_symbol(")")) {
      const bool named =
          now().kind == TokenKind::name && tokens_[at_ + 1].kind == TokenKind::symbol && tokens_[at_ + 1].text == "=";
      if (named) {
        const std::string name = need_name();
        take();
        out.named.emplace_back(name, expression());
        grow(out, *out.named.back().second);
      } else {
        if (is_symbol("*") || is_symbol("**"))
          fail(ErrorCode::unsupported, "arguments out of a list or a dictionary are not supported", now().line);
        add(out, expression());
      }
      if (!is_symbol(")")) need_symbol(",");
    }
  }

  ExpressionPtr test(ExpressionPtr value) {
    const bool negated = take_word("not");
    auto out = make(ExpressionKind::test, dotted_name(), std::move(value));
    if (take_symbol("(")) {
      call_arguments(*out);
    } else if (now().kind == TokenKind::string || now().kind == TokenKind::number || is_symbol("[") || is_symbol("{") ||
               (now().kind == TokenKind::name && !is_word("else") && !is_word("and") && !is_word("or") &&
                !is_word("if") && !is_word("is") && !is_word("in") && !is_word("not"))) {
      add(*out, postfix(primary()));
    }
    return negated ? make(ExpressionKind::unary, "not", std::move(out)) : std::move(out);
  }

  std::vector<Token> tokens_;
  std::size_t at_ = 0;
  int depth_ = 0;
};

} // namespace

std::shared_ptr<const Block> parse(std::string_view source) { return Parser(tokens_of(source)).run(); }

} // namespace headscope::text::jinja
