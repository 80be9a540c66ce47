// SPDX-License-Identifier: GPL-3.0-or-later
// The meaning of each axis of a planted model's vectors. Nothing overlaps, so that every head reads and writes only
// what it should. docs/planted-models.md explains each.
#pragma once

namespace headscope::plant {

struct Range {
  int begin = 0, size = 0;
  constexpr int at(int i) const { return begin + i; }
  constexpr int end() const { return begin + size; }
  constexpr Range then(int count) const { return {end(), count}; }
};

constexpr int d_model = 304, d_head = 96, d_mlp = 32, n_ctx = 2048;

// Sizes of the codes of all tokens, and of shorter codes of those that only some heads read; labels and images have one
// axis each.
constexpr int identity_size = 26, identity_distance = 5, name_identity_distance = 7, needle_size = 11,
              needle_distance = 4, name_size = 14, name_distance = 4, label_size = 4, image_size = 4,
              place_size = 10 + 12 + 7;

// ---- The residual stream.
constexpr double constant_value =
    16.0; // large compared with the rest, so that RMSNorm divides all positions by nearly the same number
// Codes are +1 and -1; values on a single axis are larger, so that noise does not drown them.
constexpr double flag_value = 2.0, label_value = 3.0, image_value = 3.0, place_value = 1.5;
namespace axes {
constexpr Range constant{0, 1};
// what the token is
constexpr Range identity = constant.then(identity_size), needle = identity.then(needle_size),
                name = needle.then(name_size), label = name.then(label_size), image = label.then(image_size),
                place = image.then(place_size);
constexpr Range is_bos = place.then(1), is_needle = is_bos.then(1), is_needle_start = is_needle.then(1),
                is_name = is_needle_start.then(1), is_image = is_name.then(1), is_fruit = is_image.then(1),
                asks = is_fruit.then(1), gives = asks.then(1);
// what heads find out about it
constexpr Range previous = gives.then(identity_size), previous_needle = previous.then(needle_size),
                two_back_needle = previous_needle.then(needle_size), two_back_label = two_back_needle.then(label_size),
                repeated_name = two_back_label.then(1), shunned = repeated_name.then(identity_size),
                wanted_label = shunned.then(label_size), sink_out = wanted_label.then(1);
// what comes next
constexpr Range predicted = sink_out.then(identity_size), predicted_needle = predicted.then(needle_size),
                predicted_name = predicted_needle.then(name_size), predicted_label = predicted_name.then(label_size),
                predicted_image = predicted_label.then(image_size), predicted_place = predicted_image.then(place_size);
static_assert(predicted_place.end() <= d_model);
} // namespace axes

// ---- Keys and queries, before each K/V head's own permutation: positions turn in the planes (i, i + 48), i < 5; from
// plane 5 on the planes turn so slowly that values there can be compared over any distance.
constexpr int position_planes = 5, slots = d_head - 2 * position_planes;
constexpr double rope_theta = 1e36; // plane i turns by 10^(-0.75 i) a token
constexpr Range key_identity{0, identity_size},
    key_previous = key_identity.then(identity_size), key_previous_needle = key_previous.then(needle_size),
    key_two_back_needle = key_previous_needle.then(needle_size), key_label = key_two_back_needle.then(label_size),
    key_bos = key_label.then(1), key_needle = key_bos.then(1), key_needle_start = key_needle.then(1),
    key_name = key_needle_start.then(1), key_image = key_name.then(1), key_fruit = key_image.then(1);
static_assert(key_fruit.end() <= slots);

// ---- Values, before each K/V head's own permutation.
constexpr Range value_identity{0, identity_size},
    value_needle = value_identity.then(needle_size), value_name = value_needle.then(name_size),
    value_label = value_name.then(label_size), value_image = value_label.then(image_size),
    value_place = value_image.then(place_size), value_two_back_label = value_place.then(label_size),
    value_is_name = value_two_back_label.then(1), value_is_bos = value_is_name.then(1);
static_assert(value_is_bos.end() <= d_head);

} // namespace headscope::plant
