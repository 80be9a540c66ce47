// SPDX-License-Identifier: GPL-3.0-or-later
#include "plugins/detectors/successor_features.h"

#include <algorithm>
#include <set>

#include <ATen/ATen.h>

namespace headscope {
namespace {

constexpr std::int64_t classes = 10, enough_numbers = 40, folds = 5;

struct Examples {
  std::vector<at::Tensor> x; // [d_model]
  std::vector<std::int64_t> labels;
  void add(const PlacedList& list, std::size_t word) {
    x.push_back(list.x[static_cast<std::int64_t>(word)].to(at::kCPU, at::kDouble));
    labels.push_back(list.places[word] % classes);
  }
};

// The accuracy on `asked` of a ridge regression trained on `known`, in its dual form.
double accuracy(const Examples& known, const Examples& asked, double ridge) {
  const at::Tensor x = at::stack(known.x), mean = x.mean(0, true), centred = x - mean;
  const at::Tensor targets = at::one_hot(at::tensor(known.labels, at::kLong), classes).to(at::kDouble) * 2.0 - 1.0;
  const at::Tensor bias = targets.mean(0, true), kernel = at::matmul(centred, centred.t());
  const at::Tensor penalty = ridge * kernel.diagonal().mean() * at::eye(kernel.size(0), at::kDouble);
  const at::Tensor weights = at::matmul(centred.t(), at::linalg_solve(kernel + penalty, targets - bias));
  const at::Tensor guess = (at::matmul(at::stack(asked.x) - mean, weights) + bias).argmax(1);
  return (guess == at::tensor(asked.labels, at::kLong)).to(at::kDouble).mean().item<double>();
}

void test_on_numbers(const PlacedList& numbers, double ridge, std::vector<ProbeScore>& out) {
  double right = 0.0;
  for (std::int64_t fold = 0; fold < folds; ++fold) {
    Examples known, asked;
    for (std::size_t i = 0; i < numbers.places.size(); ++i)
      ((numbers.places[i] / classes) % folds == fold ? asked : known).add(numbers, i);
    if (!asked.x.empty() && !known.x.empty())
      right += accuracy(known, asked, ridge) * static_cast<double>(asked.x.size());
  }
  out.push_back({numbers.name, numbers.name + ", other tens", std::ssize(numbers.places),
                 right / static_cast<double>(numbers.places.size())});
}

// Trains on these lists without the words that are tested.
void test_on_list(const std::vector<const PlacedList*>& known_lists, const std::string& name, const PlacedList& list,
                  double ridge, std::vector<ProbeScore>& out) {
  const std::set<std::int64_t> same(list.tokens.begin(), list.tokens.end());
  Examples known, asked;
  for (const PlacedList* other : known_lists)
    for (std::size_t i = 0; i < other->tokens.size(); ++i)
      if (same.count(other->tokens[i]) == 0) known.add(*other, i);
  for (std::size_t i = 0; i < list.tokens.size(); ++i)
    asked.add(list, i);
  if (known.x.empty() || asked.x.empty()) return;
  out.push_back({name, list.name, std::ssize(asked.x), accuracy(known, asked, ridge)});
}

} // namespace

std::vector<ProbeScore> mod10_probe(const std::vector<PlacedList>& lists, double ridge) {
  const auto numbers =
      std::find_if(lists.begin(), lists.end(), [](const PlacedList& l) { return l.name == "numbers"; });
  std::vector<ProbeScore> out;
  if (numbers != lists.end() && std::ssize(numbers->tokens) >= enough_numbers) {
    test_on_numbers(*numbers, ridge, out);
    for (const PlacedList& list : lists)
      if (&list != &*numbers) test_on_list({&*numbers}, numbers->name, list, ridge, out);
    return out;
  }
  for (const PlacedList& list : lists) {
    std::vector<const PlacedList*> others;
    for (const PlacedList& other : lists)
      if (&other != &list) others.push_back(&other);
    test_on_list(others, "all other lists", list, ridge, out);
  }
  return out;
}

std::vector<ShiftedSuccessor> shifted_successors(const Model& model, const PlacedList& numbers, int layer,
                                                 std::int64_t head, std::int64_t from, std::int64_t to, bool biases,
                                                 bool final_norm) {
  if (from < 1 || to < from || numbers.places.empty() || numbers.places.back() < to + classes ||
      numbers.places.back() != std::ssize(numbers.places))
    return {};
  std::vector<at::Tensor> features;
  for (std::int64_t digit = 0; digit < classes; ++digit) {
    std::vector<std::int64_t> rows;
    for (std::size_t i = 0; i < numbers.places.size(); ++i)
      if (numbers.places[i] % classes == digit) rows.push_back(static_cast<std::int64_t>(i));
    features.push_back(numbers.x.index_select(0, at::tensor(rows, at::kLong).to(numbers.x.device())).mean(0));
  }
  std::vector<ShiftedSuccessor> out;
  std::vector<at::Tensor> shifted;
  for (std::int64_t number = from; number <= to; ++number)
    for (std::int64_t digit = 0; digit < classes; ++digit) {
      const std::int64_t own = number % classes;
      if (digit == own) continue;
      shifted.push_back(numbers.x[number - 1] - features[static_cast<std::size_t>(own)] +
                        features[static_cast<std::size_t>(digit)]);
      out.push_back({number, digit, number - own + digit + 1, 0});
    }
  const at::Tensor written = head_outputs(model, layer, at::stack(shifted), biases).narrow(0, head, 1);
  const at::Tensor best =
      read_out(model, written, at::tensor(numbers.tokens, at::kLong), final_norm)[0].argmax(1).cpu();
  for (std::size_t i = 0; i < out.size(); ++i)
    out[i].got = numbers.places[static_cast<std::size_t>(best[static_cast<std::int64_t>(i)].item<std::int64_t>())];
  return out;
}

} // namespace headscope
