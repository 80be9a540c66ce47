// SPDX-License-Identifier: GPL-3.0-or-later
// The generated haystack: paragraphs of sentences, each a form whose slots are filled with words of a kind.
// Words of the default needles do not occur here.
#include <map>
#include <set>

#include "core/base/random.h"
#include "core/prompts/haystack.h"

namespace headscope {
namespace {

using Words = std::vector<std::string>;

// {kind} takes a word of the kind; a second {kind} of a sentence takes another one; {Kind} begins upper-case.
const Words& forms() {
  static const Words out = {
      "{Time}, {name} walked to {place} with {thing}.",
      "{Name} repaired {thing} and carried it back to {place}.",
      "The {trade} near {place} sold {goods} and {goods} to anyone who asked.",
      "It was {weather} {time}, so nobody stayed long at {place}.",
      "{Name} and {name} argued about {topic}, but neither of them was angry.",
      "There was always {goods} on the table when {name} came home from {place}.",
      "The road from {place} to {place} took about {number} minutes on foot.",
      "{Name} had learned about {topic} from an uncle who worked as a {trade}.",
      "Nobody at {place} could remember who had left {thing} behind.",
      "{Time}, the {animal} slept beside {thing} and did not move for hours.",
      "{Name} wrote {number} pages about {topic} and then put them in a drawer.",
      "A {trade} told {name} that {goods} would be expensive that year.",
      "Most people in the village liked {activity}, especially {time}.",
      "{Name} was better at {activity} than at {activity}.",
      "The window of {place} was open, and the smell of {goods} filled the street.",
      "After {activity}, {name} usually sat down and talked about {topic}.",
      "They painted {thing} {color}, which pleased {name} very much.",
      "{Number} years ago there had been a {trade} at {place}, but the shop was closed now.",
      "{Name} bought {thing} from a {trade} and paid with old coins.",
      "The {animal} that lived behind {place} was {color} and rather shy.",
      "It is easier to think about {topic} when the weather is {weather}.",
      "{Name} kept {thing} on a shelf next to a jar of {goods}.",
      "In those days {activity} was thought to be good for the health.",
      "{Time}, {number} people stood in front of {place} and waited for news.",
      "{Name} never liked {weather} days, because they made {activity} difficult.",
      "Her sister preferred {activity} and did not care much for {topic}.",
      "The old {trade} gave {name} {thing} and said goodbye.",
      "A letter about {topic} arrived at {place} {time}.",
      "{Name} counted {number} {color} boats on the river and forgot the time.",
      "The children followed the {animal} all the way to {place}.",
      "{Name} asked a {trade} for advice about {topic}.",
      "Bread, {goods} and {goods} were all that the shop beside {place} had left.",
      "For {number} weeks {name} practised {activity} without telling anybody.",
      "The walls of {place} had been {color} once, before the long winter.",
      "{Name} said that {topic} was a matter for somebody older.",
      "Because it was {weather}, {name} and {name} spent the day at {place}.",
      "Someone had tied {thing} to the gate of {place}.",
      "The {trade} had a {animal} and a small collection of {color} stones.",
      "{Name} could talk about {topic} for hours without becoming tired.",
      "{Time}, the bell rang {number} times and {name} looked up from the book.",
      "Good {goods} was hard to find, so {name} went to {place} instead.",
      "No one thought that {activity} would become popular at {place}.",
      "{Name} lent {thing} to a neighbour and got it back {number} days later.",
      "The teacher spoke about {topic} while it was {weather} outside.",
      "Between {place} and the river there was a path that only the {animal} used.",
      "{Name} laughed, closed the door and went back to {activity}.",
      "With {number} friends and {thing}, {name} set out for {place}.",
      "The story about {topic} was told again and again at {place}.",
  };
  return out;
}

const std::map<std::string, Words>& words() {
  static const std::map<std::string, Words> out = {
      {"name",
       {"Anna",   "Martin", "Helen",  "Peter",  "Clara", "Simon",  "Julia", "Robert", "Alice", "Thomas", "Emma",
        "Daniel", "Laura",  "George", "Sarah",  "Henry", "Maria",  "Oscar", "Ruth",   "Frank", "Nora",   "Walter",
        "Irene",  "Philip", "Grace",  "Arthur", "Lucy",  "Edward", "Rose",  "Victor", "Paula", "Samuel"}},
      {"place", {"the market",       "the railway station",
                 "the town hall",    "the bakery",
                 "the harbour",      "the school",
                 "the mill",         "the post office",
                 "the bridge",       "the church",
                 "the garden",       "the museum",
                 "the workshop",     "the hospital",
                 "the theatre",      "the library",
                 "the hotel",        "the park",
                 "the factory",      "the farm",
                 "the old tower",    "the swimming pool",
                 "the courthouse",   "the orchard",
                 "the fire station", "the village square",
                 "the boat house",   "the quarry",
                 "the bookshop"}},
      {"thing",
       {"a wooden chair",     "an iron kettle",   "a torn umbrella",   "a brass lamp",        "a leather bag",
        "a broken watch",     "a heavy suitcase", "a glass bottle",    "a copper pot",        "a paper box",
        "a small ladder",     "a woollen coat",   "a rusty bicycle",   "a bundle of letters", "a stone jar",
        "a folded newspaper", "a cheap guitar",   "a pair of boots",   "an empty basket",     "a long rope",
        "a tin whistle",      "a picture frame",  "a sewing machine",  "a garden spade",      "a cracked mirror",
        "a bag of nails",     "a straw hat",      "a heavy dictionary"}},
      {"goods", {"honey",   "flour",  "cheese", "salt",      "coffee",   "soap",   "butter",     "rice",
                 "tea",     "ink",    "wool",   "paper",     "firewood", "sugar",  "candle wax", "vinegar",
                 "tobacco", "pepper", "linen",  "olive oil", "cocoa",    "barley", "mustard",    "cinnamon"}},
      {"trade", {"carpenter",  "tailor",    "baker",   "blacksmith", "printer",  "painter", "shoemaker", "watchmaker",
                 "gardener",   "butcher",   "teacher", "nurse",      "mechanic", "weaver",  "potter",    "plumber",
                 "bookseller", "fisherman", "barber",  "mason",      "clerk",    "chemist"}},
      {"animal",
       {"dog", "cat", "horse", "donkey", "hen", "rabbit", "cow", "sheep", "pony", "goose", "owl", "pigeon", "fox",
        "hedgehog", "tortoise", "crow"}},
      {"weather",
       {"cold", "windy", "foggy", "warm", "cloudy", "hot", "snowy", "mild", "stormy", "dry", "bright", "grey", "icy",
        "damp"}},
      {"color", {"red", "white", "brown", "yellow", "black", "grey", "dark red", "pale yellow", "orange", "pink"}},
      {"time",
       {"in the morning",
        "late in the evening",
        "on Monday",
        "on Friday",
        "after lunch",
        "last spring",
        "in autumn",
        "at noon",
        "around midnight",
        "during the holidays",
        "one Sunday",
        "early in March",
        "before the war",
        "on a quiet afternoon",
        "that summer",
        "in the first week of June",
        "some years later",
        "every Tuesday",
        "at the end of the month",
        "shortly after breakfast",
        "on the second day",
        "towards evening"}},
      {"number",
       {"two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "fifteen", "twenty",
        "thirty", "forty"}},
      {"topic",
       {"the price of land",
        "the history of the railway",
        "modern music",
        "the next election",
        "the new school",
        "the care of fruit trees",
        "winter roads",
        "foreign languages",
        "the moon and the tides",
        "old photographs",
        "the cost of heating",
        "a lost inheritance",
        "the rules of chess",
        "the art of cooking",
        "sea travel",
        "the water supply",
        "the habits of bees",
        "the design of bridges",
        "a famous trial",
        "good manners",
        "the meaning of dreams",
        "the theory of numbers",
        "the work of poets",
        "public holidays",
        "the training of horses",
        "the shape of clouds"}},
      {"activity",
       {"swimming",
        "reading aloud",
        "gardening",
        "playing cards",
        "fishing",
        "drawing",
        "dancing",
        "mending clothes",
        "baking bread",
        "running",
        "singing in the choir",
        "collecting stamps",
        "climbing",
        "rowing",
        "repairing clocks",
        "writing letters",
        "sailing",
        "cutting wood",
        "skating",
        "telling stories",
        "playing chess",
        "walking in the hills",
        "cycling",
        "making furniture"}},
  };
  return out;
}

class Writer {
public:
  explicit Writer(std::uint64_t seed) : random_(seed) {}

  std::string paragraph() {
    std::string out;
    const std::size_t sentences = 5 + random_.below(5);
    for (std::size_t i = 0; i < sentences; ++i) {
      if (i > 0) out += ' ';
      out += fresh_sentence();
    }
    return out;
  }

private:
  // Draws a sentence not written before; after some tries it repeats one, so that any length can be made.
  std::string fresh_sentence() {
    std::string out;
    for (int attempt = 0; attempt < 20; ++attempt) {
      out = sentence();
      if (written_.insert(out).second) break;
    }
    return out;
  }

  std::string sentence() {
    if (deck_.empty()) {
      deck_ = forms();
      random_.shuffle(deck_);
    }
    const std::string form = deck_.back();
    deck_.pop_back();
    std::set<std::string> used;
    std::string out;
    for (std::size_t at = 0; at < form.size();) {
      if (form[at] != '{') {
        out += form[at++];
        continue;
      }
      const std::size_t end = form.find('}', at);
      std::string kind = form.substr(at + 1, end - at - 1);
      const bool capital = kind[0] >= 'A' && kind[0] <= 'Z';
      if (capital) kind[0] = static_cast<char>(kind[0] - 'A' + 'a');
      std::string word = another(words().at(kind), used);
      if (capital && word[0] >= 'a' && word[0] <= 'z') word[0] = static_cast<char>(word[0] - 'a' + 'A');
      out += word;
      at = end + 1;
    }
    return out;
  }

  std::string another(const Words& choices, std::set<std::string>& used) {
    while (true) {
      const std::string& word = random_.pick(choices);
      if (used.insert(word).second) return word;
    }
  }

  Random random_;
  Words deck_; // forms not yet used in this round
  std::set<std::string> written_;
};

} // namespace

std::string generated_haystack(std::uint64_t seed, std::size_t min_bytes) {
  Writer writer(seed);
  std::string out;
  while (out.size() < min_bytes) {
    if (!out.empty()) out += "\n\n";
    out += writer.paragraph();
  }
  return out;
}

} // namespace headscope
