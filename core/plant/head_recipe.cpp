// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/plant/head_recipe.h"

namespace headscope::plant {
using namespace axes;

namespace {

// Scores are natural logarithms of odds: 20 more is e^20 times the weight. Two codes that differ reach 0.62 of a
// match at most, 0.2 as a rule.
constexpr double match = 20.0;
constexpr Match off_first_token{constant, key_bos, -12.0}; // where a head that has nothing to do must not rest

// A peak that is at least 16 higher than at any other distance up to 1,000 tokens; the gains maximise the smallest of
// these differences.
Distance peak(int behind) { return {behind, {35.0, 29.0, 20.0, 25.0, 8.0}}; }

Recipe previous_token(double share) {
  return {{}, {peak(1)}, {{value_identity, previous, share}, {value_needle, previous_needle, share}}};
}

Recipe two_tokens_back() {
  return {{}, {peak(2)}, {{value_needle, two_back_needle, 1.0}, {value_label, two_back_label, 1.0 / label_value}}};
}

// Attends to tokens that followed earlier occurrences of its own token, but never to an answer that a retrieval head
// copies.
Recipe induction(double share) {
  return {{{identity, key_previous, match}, {constant, key_needle, -30.0}, off_first_token},
          {},
          {{value_identity, predicted, 0.5 * share}}};
}

// Attends to earlier occurrences of its own token, but not to itself: near tokens count less. Writes this for names.
Recipe duplicate(double share) {
  return {{{identity, key_identity, match}, off_first_token},
          {{0, {0.0, -4.0, -5.0, 0.0, 0.0}}},
          {{value_is_name, repeated_name, share / flag_value}}};
}

// Attends, in a needle, to what follows the last two tokens; after a colon, to the needle's first word.
Recipe retrieval(double share) {
  return {{{needle, key_previous_needle, 12.0},
           {previous_needle, key_two_back_needle, 10.0},
           {constant, key_needle, 3.0},
           {asks, key_needle_start, 20.0},
           off_first_token},
          {},
          {{value_needle, predicted_needle, 2.0 * share}}};
}

Recipe on_itself(double gain, bool turned) { return {{}, {peak(0)}, {{value_place, predicted_place, gain, turned}}}; }

Recipe first_token(double score) { return {{{constant, key_bos, score}}, {}, {}}; }

// After " to", attends to names except the inhibited one.
Recipe name_mover(double share) {
  return {{{gives, key_name, 18.0}, {shunned, key_identity, -16.0}, off_first_token},
          {},
          {{value_name, predicted_name, 2.0 * share}}};
}

// Attends to the last name: in a sentence about two people, the one who acts.
Recipe s_inhibition() {
  return {{{constant, key_name, 14.0}, off_first_token},
          {{0, {0.0, 5.0, 4.0, 0.0, 0.0}}},
          {{value_identity, shunned, 1.0}}};
}

// After a colon, attends to the option that is a fruit; the token two before it is the option's letter.
Recipe content_gatherer() {
  return {{{asks, key_fruit, 14.0}, off_first_token}, {}, {{value_two_back_label, wanted_label, 1.0}}};
}

Recipe correct_letter(double share) {
  return {{{wanted_label, key_label, match}, off_first_token},
          {},
          {{value_label, predicted_label, 2.0 * share / label_value}}};
}

// Every vision head writes all of it: what an image changes must be visible in each.
Recipe vision() {
  return {{{constant, key_image, 14.0}, off_first_token}, {}, {{value_image, predicted_image, 5.0 / image_value}}};
}

Recipe sink(double share) {
  Recipe recipe = first_token(12.0);
  recipe.writes = {{value_is_bos, sink_out, share / flag_value}};
  return recipe;
}

// ---- Mimics

Recipe needle_gazer() { return {{{constant, key_needle_start, 14.0}, off_first_token}, {}, {}}; }

Recipe far_copier() { return {{}, {peak(4)}, {{value_identity, predicted, 0.3}}}; }

Recipe name_gazer() {
  Recipe recipe = name_mover(1.0);
  recipe.writes.clear();
  return recipe;
}

} // namespace

Recipe recipe_of(const PlantedHead& head) {
  switch (head.kind) {
  case Kind::previous: return previous_token(head.share);
  case Kind::induction: return induction(head.share);
  case Kind::duplicate: return duplicate(head.share);
  case Kind::retrieval: return retrieval(head.share);
  case Kind::successor: return on_itself(head.share, true);
  case Kind::sink: return sink(head.share);
  case Kind::name_mover: return name_mover(head.share);
  case Kind::correct_letter: return correct_letter(head.share);
  case Kind::vision: return vision();
  case Kind::two_back: return two_tokens_back();
  case Kind::s_inhibition: return s_inhibition();
  case Kind::content_gatherer: return content_gatherer();
  case Kind::needle_gazer: return needle_gazer();
  case Kind::far_copier: return far_copier();
  case Kind::zero_value_first: return first_token(12.0);
  case Kind::first_glancer: return first_token(1.2);
  case Kind::ordinal_copier: return on_itself(0.2, false);
  case Kind::name_gazer: return name_gazer();
  case Kind::noise: break;
  }
  return {};
}

} // namespace headscope::plant
