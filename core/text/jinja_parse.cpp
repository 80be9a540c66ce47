// SPDX-License-Identifier: GPL-3.0-or-later
// Recursive descent over the tokens of a chat template.
#include <algorithm>
#include <array>
#include <charconv>

#include "core/text/jinja_lexer.h"

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
      if (++parser_.depth_ > 100) parser_.fail_here("the template is nested too deeply");
    }
    ~Depth() { --parser_.depth_; }
    Depth(const Depth&) = delete;
    Depth& operator=(const Depth&) = delete;
    Parser& parser_;
  };

  // Statements up to a tag whose first word is in `ends`; that word is the current token then.
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
        statement.expression = expression();
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
    else if (word == "break")
      statement.kind = StatementKind::leave;
    else if (word == "continue")
      statement.kind = StatementKind::next;
    else
      fail(ErrorCode::unsupported, "the statement '" + word + "' is not supported", line);
    end_tag();
    out.statements.push_back(std::move(statement));
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
    out.targets.push_back(need_name());
    while (take_symbol(","))
      out.targets.push_back(need_name());
    if (!take_word("in")) fail_here("expected 'in'");
    out.expression = disjunction();
    if (take_word("if")) out.filter = expression();
    if (is_word("recursive")) fail(ErrorCode::unsupported, "recursive loops are not supported", now().line);
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
    do {
      std::string target = need_name();
      if (take_symbol(".")) target.append(".").append(need_name());
      out.targets.push_back(std::move(target));
    } while (take_symbol(","));
    if (take_symbol("=")) {
      out.expression = expression();
      if (!is_symbol(",")) return out;
      auto tuple = make(ExpressionKind::list);
      tuple->arguments.push_back(std::move(out.expression));
      while (take_symbol(","))
        tuple->arguments.push_back(expression());
      out.expression = std::move(tuple);
      return out;
    }
    out.kind = StatementKind::set_block;
    end_tag();
    out.branches.push_back({nullptr, block({"endset"})});
    take();
    return out;
  }

  static ExpressionPtr make(ExpressionKind kind, std::string text = {}) {
    auto out = std::make_unique<Expression>();
    out->kind = kind;
    out->text = std::move(text);
    return out;
  }
  static ExpressionPtr make(ExpressionKind kind, std::string text, ExpressionPtr first,
                            ExpressionPtr second = nullptr) {
    auto out = make(kind, std::move(text));
    out->arguments.push_back(std::move(first));
    if (second) out->arguments.push_back(std::move(second));
    return out;
  }
  static ExpressionPtr literal(JinjaValue value) {
    auto out = make(ExpressionKind::literal);
    out->value = std::move(value);
    return out;
  }

  ExpressionPtr expression() {
    const Depth depth(*this);
    ExpressionPtr value = disjunction();
    while (take_word("if")) {
      auto choice = make(ExpressionKind::choice, "", std::move(value), disjunction());
      choice->arguments.push_back(take_word("else") ? expression() : nullptr);
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

  ExpressionPtr comparison() {
    ExpressionPtr left = infix(0);
    for (bool chained = false;; chained = true) {
      static constexpr std::array<std::string_view, 6> symbols = {"==", "!=", "<", "<=", ">", ">="};
      const bool symbol =
          now().kind == TokenKind::symbol && std::find(symbols.begin(), symbols.end(), now().text) != symbols.end();
      const bool negated = is_word("not") && tokens_[at_ + 1].text == "in";
      // a < b < c means (a < b) and (b < c) in Python.
      if (chained && (symbol || negated || is_word("in")))
        fail(ErrorCode::unsupported, "chained comparisons are not supported", now().line);
      if (symbol) {
        const std::string operation = take().text;
        left = make(ExpressionKind::binary, operation, std::move(left), infix(0));
      } else if (take_word("in")) {
        left = make(ExpressionKind::binary, "in", std::move(left), infix(0));
      } else if (negated) {
        take();
        take();
        left = make(ExpressionKind::unary, "not", make(ExpressionKind::binary, "in", std::move(left), infix(0)));
      } else {
        return left;
      }
    }
  }

  // + and -, then ~, then * / // and %: each binds more tightly than the one before.
  ExpressionPtr infix(int level) {
    static const std::array<std::vector<std::string_view>, 3> levels = {{{"+", "-"}, {"~"}, {"*", "/", "//", "%"}}};
    if (level == 3) return unary();
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
    if (take_symbol("-")) return make(ExpressionKind::unary, "-", signed_operand());
    if (take_symbol("+")) return signed_operand();
    return postfix(primary());
  }

  ExpressionPtr primary() {
    const Token token = take();
    if (token.kind == TokenKind::number) return number(token);
    if (token.kind == TokenKind::string) {
      std::string text = token.text;
      while (now().kind == TokenKind::string)
        text += take().text;
      return literal(text);
    }
    if (token.kind == TokenKind::name) {
      if (token.text == "true" || token.text == "True") return literal(true);
      if (token.text == "false" || token.text == "False") return literal(false);
      if (token.text == "none" || token.text == "None") return literal(nullptr);
      return make(ExpressionKind::name, token.text);
    }
    if (token.text == "(" && token.kind == TokenKind::symbol) return parenthesis();
    if (token.text == "[" && token.kind == TokenKind::symbol) return list("]");
    if (token.text == "{" && token.kind == TokenKind::symbol) return dictionary();
    fail(ErrorCode::corrupt, "expected an expression", token.line);
  }

  ExpressionPtr number(const Token& token) {
    std::int64_t integer = 0;
    const char* end = token.text.data() + token.text.size();
    const auto parsed = std::from_chars(token.text.data(), end, integer);
    if (parsed.ec == std::errc() && parsed.ptr == end) return literal(integer);
    double real = 0;
    const auto parsed_real = std::from_chars(token.text.data(), end, real);
    if (parsed_real.ec != std::errc() || parsed_real.ptr != end) {
      fail(ErrorCode::corrupt, "'" + token.text + "' is no number", token.line);
    }
    return literal(real);
  }

  ExpressionPtr parenthesis() {
    ExpressionPtr value = expression();
    if (take_symbol(")")) return value;
    need_symbol(",");
    auto tuple = list(")");
    tuple->arguments.insert(tuple->arguments.begin(), std::move(value));
    return tuple;
  }

  ExpressionPtr list(std::string_view close) {
    auto out = make(ExpressionKind::list);
    while (!take_symbol(close)) {
      out->arguments.push_back(expression());
      if (!is_symbol(close)) need_symbol(",");
    }
    return out;
  }

  ExpressionPtr dictionary() {
    auto out = make(ExpressionKind::dictionary);
    while (!take_symbol("}")) {
      out->arguments.push_back(expression());
      need_symbol(":");
      out->arguments.push_back(expression());
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

  ExpressionPtr filters(ExpressionPtr value) {
    while (true) {
      if (take_symbol("|")) {
        value = make(ExpressionKind::filter, need_name(), std::move(value));
        if (take_symbol("(")) call_arguments(*value);
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
      out->arguments.push_back(std::move(bound));
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
      } else {
        out.arguments.push_back(expression());
      }
      if (!is_symbol(")")) need_symbol(",");
    }
  }

  ExpressionPtr test(ExpressionPtr value) {
    const bool negated = take_word("not");
    auto out = make(ExpressionKind::test, need_name(), std::move(value));
    if (take_symbol("(")) {
      call_arguments(*out);
    } else if (now().kind == TokenKind::string || now().kind == TokenKind::number ||
               (now().kind == TokenKind::name && !is_word("else") && !is_word("and") && !is_word("or") &&
                !is_word("if") && !is_word("is") && !is_word("in") && !is_word("not"))) {
      out->arguments.push_back(postfix(primary()));
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
