// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/mechanisms/block_mask.h"

#include <algorithm>
#include <map>

#include <ATen/ATen.h>

#include "core/base/or_list.h"
#include "core/base/text_file.h"
#include "core/io/toml_table.h"
#include "core/mechanisms/spans.h"

namespace headscope::mechanisms {
namespace {

bool contains(const std::vector<std::int64_t>& list, std::int64_t value) {
  return list.empty() || std::find(list.begin(), list.end(), value) != list.end();
}

bool fits_numbers(const MaskRule& rule, std::int64_t query, std::int64_t key) {
  if (rule.within && std::abs(query - key) > *rule.within) return false;
  switch (rule.which) {
  case WhichSegment::any: return true;
  case WhichSegment::same: return query == key;
  case WhichSegment::previous: return key == query - 1;
  case WhichSegment::other: return query != key;
  }
  return false;
}

} // namespace

bool MaskRule::is_for(std::int64_t layer, std::int64_t head) const {
  return contains(layers, layer) && contains(heads, head) && (!layer_parity || layer % 2 == *layer_parity);
}

bool BlockMask::sees(std::int64_t layer, std::int64_t head, std::int64_t query, std::int64_t key) const {
  const auto number = [&](int kind, std::int64_t token) {
    return kind < 0 ? 0 : kinds_[static_cast<std::size_t>(kind)].segment_of(token);
  };
  for (const MaskRule& rule : rules_) {
    const std::int64_t q = number(rule.query, query), k = number(rule.key, key);
    if (q >= 0 && k >= 0 && rule.is_for(layer, head) && fits_numbers(rule, q, k)) return rule.sees;
  }
  return otherwise_;
}

bool BlockMask::differs_by_head() const {
  return std::any_of(rules_.begin(), rules_.end(), [](const MaskRule& rule) { return !rule.heads.empty(); });
}

at::Tensor BlockMask::fits(const MaskRule& rule, Range queries) const {
  const auto numbers = [&](int kind, Range tokens) {
    std::vector<std::int64_t> out;
    for (std::int64_t token = tokens.begin; token < tokens.end; ++token)
      out.push_back(kind < 0 ? 0 : kinds_[static_cast<std::size_t>(kind)].segment_of(token));
    return at::tensor(out, at::kLong);
  };
  const at::Tensor q = numbers(rule.query, queries).unsqueeze(1), k = numbers(rule.key, {0, queries.end}).unsqueeze(0);
  at::Tensor fits = (q >= 0).logical_and(k >= 0);
  if (rule.within) fits = fits.logical_and((q - k).abs() <= *rule.within);
  switch (rule.which) {
  case WhichSegment::any: return fits;
  case WhichSegment::same: return fits.logical_and(q == k);
  case WhichSegment::previous: return fits.logical_and(k == q - 1);
  case WhichSegment::other: return fits.logical_and(q != k);
  }
  return fits;
}

at::Tensor BlockMask::sees(std::int64_t layer, std::int64_t head, Range queries, const at::Device& device) const {
  at::Tensor seen = at::full({queries.count(), queries.end}, otherwise_, at::kBool);
  for (auto rule = rules_.rbegin(); rule != rules_.rend(); ++rule)
    if (rule->is_for(layer, head)) seen = seen.masked_fill(fits(*rule, queries), rule->sees);
  return seen.to(device);
}

namespace {

using Ranges = std::vector<Range>; // ascending, without overlap, none empty

Ranges sorted_and_joined(Ranges ranges) {
  std::sort(ranges.begin(), ranges.end(), [](Range a, Range b) { return a.begin < b.begin; });
  Ranges out;
  for (const Range& range : ranges)
    if (!out.empty() && range.begin <= out.back().end)
      out.back().end = std::max(out.back().end, range.end);
    else
      out.push_back(range);
  return out;
}

Ranges together(Ranges a, const Ranges& b) {
  a.insert(a.end(), b.begin(), b.end());
  return sorted_and_joined(std::move(a));
}

Ranges without(const Ranges& ranges, const Ranges& hidden) {
  Ranges out;
  auto hides = hidden.begin();
  for (Range range : ranges) {
    while (hides != hidden.end() && hides->end <= range.begin)
      ++hides;
    for (auto each = hides; each != hidden.end() && each->begin < range.end; ++each) {
      if (each->begin > range.begin) out.push_back({range.begin, each->begin});
      range.begin = each->end;
    }
    if (range.begin < range.end) out.push_back(range);
  }
  return out;
}

// The segments of a kind that some tokens lie in, by number.
using Segments = std::map<std::int64_t, Ranges>;

Segments segments_of(const std::vector<SegmentKind>& kinds, int kind, std::int64_t tokens) {
  if (kind < 0) return {{0, {{0, tokens}}}};
  Segments out;
  for (std::int64_t token = 0; token < tokens; ++token) {
    const std::int64_t number = kinds[static_cast<std::size_t>(kind)].segment_of(token);
    if (number < 0) continue;
    Ranges& ranges = out[number];
    if (!ranges.empty() && ranges.back().end == token)
      ++ranges.back().end;
    else
      ranges.push_back({token, token + 1});
  }
  return out;
}

// One rule for a layer and head, and what lies where.
struct Applied {
  const MaskRule* rule;
  const SegmentKind* query; // null: any token, which is in segment 0
  Segments keys;
  Ranges all_keys; // of all segments

  std::int64_t number_of(std::int64_t token) const { return query ? query->segment_of(token) : 0; }

  // The keys that fit a query in a segment.
  Ranges fitting(std::int64_t number) const {
    if (number < 0) return {};
    const auto of = [&](std::int64_t which) {
      const auto found = keys.find(which);
      return found == keys.end() || !fits_numbers(*rule, number, which) ? Ranges{} : found->second;
    };
    if (rule->which == WhichSegment::same) return of(number);
    if (rule->which == WhichSegment::previous) return of(number - 1);
    if (!rule->within) return rule->which == WhichSegment::any ? all_keys : without(all_keys, segment(number));
    Ranges near;
    for (auto at = keys.lower_bound(number - *rule->within); at != keys.end() && at->first <= number + *rule->within;
         ++at)
      if (fits_numbers(*rule, number, at->first)) near.insert(near.end(), at->second.begin(), at->second.end());
    return sorted_and_joined(std::move(near));
  }

private:
  Ranges segment(std::int64_t number) const {
    const auto found = keys.find(number);
    return found == keys.end() ? Ranges{} : found->second;
  }
};

} // namespace

std::vector<QueryGroup> BlockMask::groups(std::int64_t layer, std::int64_t head, Range queries) const {
  std::vector<Applied> rules;
  for (const MaskRule& rule : rules_) {
    if (!rule.is_for(layer, head)) continue;
    const SegmentKind* query = rule.query < 0 ? nullptr : &kinds_[static_cast<std::size_t>(rule.query)];
    Applied& applied = rules.emplace_back(Applied{&rule, query, segments_of(kinds_, rule.key, queries.end), {}});
    for (const auto& [number, ranges] : applied.keys)
      applied.all_keys.insert(applied.all_keys.end(), ranges.begin(), ranges.end());
    applied.all_keys = sorted_and_joined(std::move(applied.all_keys));
  }
  std::map<std::vector<std::int64_t>, QueryGroup> groups; // by the numbers of the segments that rules ask for
  for (std::int64_t i = queries.begin; i < queries.end; ++i) {
    std::vector<std::int64_t> numbers;
    for (const Applied& rule : rules)
      numbers.push_back(rule.number_of(i));
    groups[numbers].queries.push_back(static_cast<std::int32_t>(i - queries.begin));
  }
  std::vector<QueryGroup> out;
  for (auto& [numbers, group] : groups) {
    Ranges seen = otherwise_ ? Ranges{{0, queries.end}} : Ranges{};
    for (std::size_t at = rules.size(); at-- > 0;) { // the first rule that fits wins, so it comes last
      const Ranges fits = rules[at].fitting(numbers[at]);
      seen = rules[at].rule->sees ? together(std::move(seen), fits) : without(seen, fits);
    }
    for (const Range& range : seen)
      group.runs.push_back({static_cast<std::int32_t>(range.begin), static_cast<std::int32_t>(range.end)});
    out.push_back(std::move(group));
  }
  return out;
}

namespace {

constexpr std::int64_t most = std::int64_t{1} << 40;

using SegmentOf = std::function<std::int64_t(std::int64_t)>;

Error bad(const TomlTable& table, const char* key, const std::string& message) {
  return table.error_at(key, ErrorCode::invalid_argument, message);
}

// Reads a whole number of at least `least`.
Result<std::int64_t> whole(TomlTable& table, const char* key, std::int64_t otherwise, std::int64_t least) {
  std::int64_t value = otherwise;
  table.read(key, value);
  if (value < least || value > most)
    return bad(table, key, table.has(key) ? "must be at least " + std::to_string(least) : "is missing");
  return value;
}

Result<SegmentOf> given(TomlTable& table) {
  std::vector<std::string> texts;
  table.read("spans", texts);
  std::vector<std::vector<Range>> segments;
  for (const std::string& text : texts) {
    auto spans = parse_spans(text, "spans");
    if (!spans.ok() || spans->empty()) return bad(table, "spans", "must be positions like \"0-9\" or \"0-9+30-35\"");
    segments.push_back(*spans);
  }
  return SegmentOf([segments](std::int64_t token) -> std::int64_t {
    for (std::size_t i = 0; i < segments.size(); ++i)
      if (holds(segments[i], token)) return static_cast<std::int64_t>(i);
    return -1;
  });
}

// Rectangles of a picture whose tokens run row by row; numbered row by row too.
Result<SegmentOf> grid(TomlTable& table, std::int64_t from) {
  std::optional<TomlTable> shape = table.table("grid");
  if (!shape) return table.done().error();
  HS_ASSIGN(const std::int64_t width, whole(*shape, "width", 0, 1));
  HS_ASSIGN(const std::int64_t rows, whole(*shape, "rows", 1, 1));
  HS_ASSIGN(const std::int64_t columns, whole(*shape, "columns", 1, 1));
  HS_TRY(shape->done());
  const std::int64_t across = (width + columns - 1) / columns;
  return SegmentOf([=](std::int64_t token) {
    const std::int64_t at = token - from;
    return at / width / rows * across + at % width / columns;
  });
}

Result<SegmentKind> read_segments(TomlTable& table, const std::vector<SegmentKind>& others) {
  SegmentKind kind;
  table.read("kind", kind.name);
  if (kind.name.empty() || kind.name == "any") return bad(table, "kind", "must be a name other than any");
  for (const SegmentKind& other : others)
    if (other.name == kind.name) return bad(table, "kind", "'" + kind.name + "' stands twice");
  HS_ASSIGN(const std::int64_t from, whole(table, "from", 0, 0));
  HS_ASSIGN(const std::int64_t to, whole(table, "to", most, from));
  if (table.has("every") + table.has("spans") + table.has("grid") != 1)
    return bad(table, "kind", "needs one of every, spans and grid");
  SegmentOf inner;
  if (table.has("every")) {
    HS_ASSIGN(const std::int64_t every, whole(table, "every", 0, 1));
    inner = [every, from](std::int64_t token) { return (token - from) / every; };
  } else {
    HS_ASSIGN(inner, table.has("grid") ? grid(table, from) : given(table));
  }
  kind.segment_of = [inner, from, to](std::int64_t token) { return token < from || token > to ? -1 : inner(token); };
  HS_TRY(table.done());
  return kind;
}

Result<int> read_kind(TomlTable& table, const char* key, const std::vector<SegmentKind>& kinds) {
  std::string name;
  table.read(key, name);
  if (name == "any") return -1;
  std::vector<std::string> names = {"any"};
  for (std::size_t i = 0; i < kinds.size(); ++i) {
    if (kinds[i].name == name) return static_cast<int>(i);
    names.push_back(kinds[i].name);
  }
  return bad(table, key, "must be " + or_list(names) + (name.empty() ? "" : ", not '" + name + "'"));
}

// Reads a list of layers or heads; without the key, all.
Status read_indices(TomlTable& table, const char* key, std::vector<std::int64_t>& indices) {
  table.read(key, indices);
  const bool none = table.has(key) && indices.empty();
  if (none || std::any_of(indices.begin(), indices.end(), [](std::int64_t index) { return index < 0; }))
    return bad(table, key, "must be a list like [0, 2]");
  return {};
}

Result<MaskRule> read_rule(TomlTable& table, const std::vector<SegmentKind>& kinds) {
  MaskRule rule;
  HS_ASSIGN(rule.query, read_kind(table, "query", kinds));
  HS_ASSIGN(rule.key, read_kind(table, "key", kinds));
  const std::vector<std::string> names = {"any", "same", "previous", "other"};
  std::string which = names.front();
  table.read("which", which);
  const auto found = std::find(names.begin(), names.end(), which);
  if (found == names.end()) return bad(table, "which", "must be " + or_list(names) + ", not '" + which + "'");
  rule.which = static_cast<WhichSegment>(found - names.begin());
  table.read("within", rule.within);
  if (table.is_list("layers")) {
    HS_TRY(read_indices(table, "layers", rule.layers));
  } else if (table.has("layers")) {
    std::string parity;
    table.read("layers", parity);
    if (parity != "even" && parity != "odd") return bad(table, "layers", "must be a list like [0, 2], even or odd");
    rule.layer_parity = parity == "odd";
  }
  HS_TRY(read_indices(table, "heads", rule.heads));
  table.read("sees", rule.sees);
  HS_TRY(table.done());
  return rule;
}

} // namespace

Result<BlockMask> BlockMask::read(const std::string& path) {
  if (path.empty()) return make_error(ErrorCode::invalid_argument, "must name a file", {}, "file");
  HS_ASSIGN(const std::string text, read_text_file(path));
  HS_ASSIGN(TomlTable file, TomlTable::parse(text, path));
  BlockMask mask;
  std::string otherwise = "hidden";
  file.read("otherwise", otherwise);
  if (otherwise != "hidden" && otherwise != "seen") return bad(file, "otherwise", "must be hidden or seen");
  mask.otherwise_ = otherwise == "seen";
  for (TomlTable& table : file.tables("segments")) {
    HS_ASSIGN(SegmentKind kind, read_segments(table, mask.kinds_));
    mask.kinds_.push_back(std::move(kind));
  }
  for (TomlTable& table : file.tables("rules")) {
    HS_ASSIGN(MaskRule rule, read_rule(table, mask.kinds_));
    mask.rules_.push_back(std::move(rule));
  }
  HS_TRY(file.done());
  if (mask.rules_.empty()) return bad(file, "rules", "are missing; write [[rules]]");
  return mask;
}

} // namespace headscope::mechanisms
