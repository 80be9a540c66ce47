// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/prompts/tasks/ioi.h"

#include <algorithm>
#include <array>
#include <set>

#include "core/base/random.h"

namespace headscope {
namespace {

using Words = std::vector<std::string>;

// {1} and {2}: the two names of the first clause; {S}: the subject of the second; {P}: place; {O}: object.
constexpr std::array<const char*, 12> templates = {
    "Then, {1} and {2} went to the {P}. {S} gave a {O} to",
    "When {1} and {2} got a {O} at the {P}, {S} decided to give it to",
    "After {1} and {2} went to the {P}, {S} gave a {O} to",
    "Friends {1} and {2} found a {O} at the {P}. {S} gave it to",
    "While {1} and {2} were working at the {P}, {S} gave a {O} to",
    "Then, {1} and {2} had a long talk at the {P}. Afterwards {S} handed a {O} to",
    "Yesterday {1} and {2} met near the {P}, and {S} passed a {O} to",
    "Then, {1} and {2} were thinking about going to the {P}. {S} wanted to give a {O} to",
    "The {P} that {1} and {2} went to had a {O}. {S} gave it to",
    "When {1} and {2} came back from the {P}, {S} showed a {O} to",
    "Afterwards, {1} and {2} visited the {P}. {S} offered a {O} to",
    "Last week {1} and {2} walked to the {P}, where {S} brought a {O} to",
};

const Words& all_names() {
  static const Words words = {
      "Michael",  "Jessica",  "Matthew", "Ashley", "Jennifer",  "Joshua",  "Amanda",   "Daniel",  "David",
      "James",    "Robert",   "John",    "Joseph", "Andrew",    "Ryan",    "Jason",    "Justin",  "Sarah",
      "William",  "Jonathan", "Brian",   "Nicole", "Nicholas",  "Anthony", "Heather",  "Eric",    "Elizabeth",
      "Adam",     "Megan",    "Kevin",   "Steven", "Thomas",    "Timothy", "Kyle",     "Rachel",  "Laura",
      "Lauren",   "Danielle", "Richard", "Amy",    "Crystal",   "Jeremy",  "Benjamin", "Mark",    "Emily",
      "Aaron",    "Charles",  "Rebecca", "Jacob",  "Stephen",   "Patrick", "Sean",     "Erin",    "Kelly",
      "Samantha", "Nathan",   "Sara",    "Paul",   "Angela",    "Tyler",   "Scott",    "Andrea",  "Gregory",
      "Mary",     "Lisa",     "Kenneth", "Jose",   "Alexander", "Jesse",   "Katie",    "Shannon", "Vanessa",
      "Alice",    "Samuel",   "Anna",    "Peter",  "Simon",     "Helen",   "Martin",   "George"};
  return words;
}
const Words& all_places() {
  static const Words words = {"store", "garden", "restaurant", "school", "hospital", "office", "house", "station",
                              "park",  "market", "library",    "museum", "bank",     "church", "beach", "farm"};
  return words;
}
const Words& all_objects() {
  static const Words words = {"ring", "bone", "basketball", "computer", "necklace", "drink", "snack", "book",
                              "key",  "hat",  "letter",     "picture",  "bottle",   "watch", "ball",  "flower"};
  return words;
}

struct Draw {
  std::string form;
  std::string io, s;   // with their space
  std::string a, b, c; // three other names
  std::string place, object;
  bool abba = true;
};

void replace(std::string& text, const std::string& slot, const std::string& value) {
  for (auto at = text.find(slot); at != std::string::npos; at = text.find(slot, at + value.size()))
    text.replace(at, slot.size(), value);
}

std::string fill(const Draw& draw, const std::string& first, const std::string& second, const std::string& subject) {
  std::string text = draw.form;
  replace(text, "{1}", first);
  replace(text, "{2}", second);
  replace(text, "{S}", subject);
  replace(text, "{P}", draw.place);
  replace(text, "{O}", draw.object);
  return text;
}

IoiCase make_case(const Draw& draw) {
  const std::string& first = draw.abba ? draw.io : draw.s;
  const std::string& second = draw.abba ? draw.s : draw.io;
  IoiCase out;
  out.clean = fill(draw, first, second, draw.s);
  out.flip = fill(draw, first, second, draw.io);
  out.abc = fill(draw, draw.a, draw.b, draw.c);
  out.answer = " " + draw.io;
  out.wrong = " " + draw.s;
  out.order = draw.abba ? "ABBA" : "BABA";
  return out;
}

// The positions at which two rows of one length differ.
std::vector<std::int64_t> differences(const std::vector<std::int64_t>& a, const std::vector<std::int64_t>& b) {
  std::vector<std::int64_t> out;
  for (std::size_t i = 0; i < a.size(); ++i)
    if (a[i] != b[i]) out.push_back(static_cast<std::int64_t>(i));
  return out;
}

std::vector<std::int64_t> occurrences(const std::vector<std::int64_t>& ids, std::int64_t id) {
  std::vector<std::int64_t> out;
  for (std::size_t i = 0; i < ids.size(); ++i)
    if (ids[i] == id) out.push_back(static_cast<std::int64_t>(i));
  return out;
}

// Returns what is wrong, or an empty text when the three prompts are token for token the same except for the names.
std::string misalignment(IoiCase& item) {
  if (item.clean_ids.size() != item.abc_ids.size() || item.clean_ids.size() != item.flip_ids.size())
    return "its counterfactuals have another number of tokens";
  const auto io = occurrences(item.clean_ids, item.answer_id), s = occurrences(item.clean_ids, item.wrong_id);
  if (io.size() != 1 || s.size() != 2) return "a name is not the same single token everywhere";
  item.io_position = io[0];
  item.s1_position = s[0];
  item.s2_position = s[1];
  if (differences(item.clean_ids, item.flip_ids) != std::vector<std::int64_t>{s[1]})
    return "the flipped prompt differs elsewhere than at the second subject";
  std::vector<std::int64_t> names = {io[0], s[0], s[1]};
  std::sort(names.begin(), names.end());
  if (differences(item.clean_ids, item.abc_ids) != names)
    return "the prompt with other names differs elsewhere than at the names";
  return {};
}

class Generator {
public:
  Generator(const Tokenizer& tokenizer, const IoiOptions& options, IoiTask& task)
      : tokenizer_(tokenizer), options_(options), task_(task), random_(options.seed) {}

  Status run() {
    HS_ASSIGN(names_, single_tokens(all_names(), 5, "names"));
    HS_ASSIGN(places_, single_tokens(all_places(), 1, "places"));
    HS_ASSIGN(objects_, single_tokens(all_objects(), 1, "objects"));
    std::set<std::string> seen;
    const std::int64_t most_draws = 10 * options_.count + 100;
    for (std::int64_t i = 0; i < most_draws && static_cast<std::int64_t>(task_.cases.size()) < options_.count; ++i) {
      IoiCase item = make_case(draw());
      if (!seen.insert(item.clean).second) continue;
      HS_TRY(tokenize(item));
      const std::string problem = misalignment(item);
      if (problem.empty())
        task_.cases.push_back(std::move(item));
      else
        task_.dropped.push_back({item.clean, problem});
    }
    if (static_cast<std::int64_t>(task_.cases.size()) == options_.count) return {};
    return make_error(ErrorCode::unsupported,
                      "only " + std::to_string(task_.cases.size()) + " of " + std::to_string(options_.count) +
                          " prompts could be made whose tokens align under this tokenizer",
                      {}, "count");
  }

private:
  Result<Words> single_tokens(const Words& words, std::size_t least, const char* what) {
    Words kept;
    for (const std::string& word : words) {
      if (answer_token(tokenizer_, " " + word).ok())
        kept.push_back(word);
      else
        task_.dropped.push_back({word, "not a single token"});
    }
    if (kept.size() >= least) return kept;
    return make_error(ErrorCode::unsupported,
                      "only " + std::to_string(kept.size()) + " of the " + what +
                          " are single tokens of this tokenizer; " + std::to_string(least) + " are needed",
                      {}, "tokenizer");
  }

  Draw draw() {
    Draw out;
    out.form = templates[random_.below(templates.size())];
    Words names;
    while (names.size() < 5) {
      const std::string& name = random_.pick(names_);
      if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
    }
    out.io = names[0];
    out.s = names[1];
    out.a = names[2];
    out.b = names[3];
    out.c = names[4];
    out.place = random_.pick(places_);
    out.object = random_.pick(objects_);
    out.abba = options_.abba && (!options_.baba || random_.below(2) == 0);
    return out;
  }

  Status tokenize(IoiCase& item) const {
    HS_ASSIGN(item.clean_ids, tokenizer_.encode(item.clean));
    HS_ASSIGN(item.abc_ids, tokenizer_.encode(item.abc));
    HS_ASSIGN(item.flip_ids, tokenizer_.encode(item.flip));
    HS_ASSIGN(item.answer_id, answer_token(tokenizer_, item.answer));
    HS_ASSIGN(item.wrong_id, answer_token(tokenizer_, item.wrong));
    return {};
  }

  const Tokenizer& tokenizer_;
  const IoiOptions& options_;
  IoiTask& task_;
  Random random_;
  Words names_, places_, objects_;
};

constexpr Named<IoiCorruption> corruptions[] = {
    {IoiCorruption::abc, "abc", "the same sentence with three other names"},
    {IoiCorruption::flip, "flip", "the second subject is the indirect object instead"},
};

} // namespace

template <> std::span<const Named<IoiCorruption>> names_of<IoiCorruption>() { return corruptions; }

Result<IoiTask> make_ioi_task(const Tokenizer& tokenizer, const IoiOptions& options) {
  if (options.count <= 0) return make_error(ErrorCode::invalid_argument, "must be positive", {}, "count");
  if (!options.abba && !options.baba)
    return make_error(ErrorCode::invalid_argument, "at least one of abba and baba is needed", {}, "order");
  IoiTask task;
  HS_TRY(Generator(tokenizer, options, task).run());
  return task;
}

std::vector<AblationPrompt> ablation_prompts(const IoiTask& task) {
  std::vector<AblationPrompt> out;
  for (const IoiCase& item : task.cases)
    out.push_back({item.clean_ids, {{item.answer_id}, {item.wrong_id}}});
  return out;
}

std::vector<PatchPair> patch_pairs(const IoiTask& task, IoiCorruption corruption) {
  std::vector<PatchPair> out;
  for (const IoiCase& item : task.cases)
    out.push_back({item.clean_ids,
                   corruption == IoiCorruption::flip ? item.flip_ids : item.abc_ids,
                   {{item.answer_id}, {item.wrong_id}}});
  return out;
}

} // namespace headscope
