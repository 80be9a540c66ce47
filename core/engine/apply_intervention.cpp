// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/apply_intervention.h"

#include <limits>

#include <ATen/ATen.h>

#include "core/engine/device.h"
#include "core/model/guard.h"

namespace headscope {
namespace {

// What an intervention selects: a view of the activation without the axes that row and head fix, and the positions in
// it.
struct Selection {
  at::Tensor view;
  std::int64_t position_axis = 0;
  bool all_positions = true;
  std::vector<std::int64_t> positions; // within this run
  std::vector<std::int64_t> entries;   // the index of each in the intervention's positions
};

Selection select(const Intervention& intervention, const RunSpan& span, const at::Tensor& x) {
  const bool head_first = hook_axes(intervention.site.point) == HookAxes::head_query_key;
  Selection selection;
  selection.view = x;
  const std::int64_t head_axis = head_first ? 1 : 2;
  selection.position_axis = head_first ? 2 : 1;
  if (intervention.head) {
    selection.view = selection.view.select(head_axis, *intervention.head);
    if (head_first) --selection.position_axis;
  }
  if (intervention.row) {
    selection.view = selection.view.select(0, *intervention.row);
    --selection.position_axis;
  }
  selection.all_positions = intervention.positions.empty();
  for (std::size_t i = 0; i < intervention.positions.size(); ++i) {
    const std::int64_t local = intervention.positions[i] - span.begin;
    if (local < 0 || local >= span.count) continue; // computed by another step
    selection.positions.push_back(local);
    selection.entries.push_back(static_cast<std::int64_t>(i));
  }
  return selection;
}

std::string shape_text(at::IntArrayRef sizes) {
  std::string text = "[";
  for (std::size_t i = 0; i < sizes.size(); ++i)
    text += (i ? ", " : "") + std::to_string(sizes[i]);
  return text + "]";
}

// Brings the intervention's value to the shape of what it replaces.
at::Tensor fitted_value(const Intervention& intervention, const Selection& selection, at::IntArrayRef wanted,
                        const at::Tensor& like) {
  at::Tensor value = intervention.value.to(like.options());
  const std::int64_t from_end = static_cast<std::int64_t>(wanted.size()) - selection.position_axis;
  const std::int64_t axis = value.dim() - from_end; // of the positions within the value
  const auto asked = static_cast<std::int64_t>(intervention.positions.size());
  if (!selection.all_positions && axis >= 0 && value.size(axis) == asked &&
      static_cast<std::int64_t>(selection.entries.size()) != asked)
    value = value.index_select(axis, queued_copy(at::tensor(selection.entries, at::kLong), value.device()));
  const bool fits = [&] {
    if (value.dim() > static_cast<std::int64_t>(wanted.size())) return false;
    for (std::int64_t i = 1; i <= value.dim(); ++i)
      if (value.size(-i) != 1 && value.size(-i) != wanted[wanted.size() - static_cast<std::size_t>(i)]) return false;
    return true;
  }();
  if (!fits)
    throw ErrorException(make_error(ErrorCode::mismatch,
                                    "the intervention's value has shape " + shape_text(value.sizes()) +
                                        ", what it replaces has " + shape_text(wanted),
                                    {}, hook_name(intervention.site)));
  return value.expand(wanted);
}

// Returns `x` [.., d] minus `factor` times its part along the value; computed in float32 where x has less precision.
at::Tensor without_direction(const Intervention& intervention, const at::Tensor& x) {
  if (intervention.value.size(0) != x.size(-1))
    throw ErrorException(make_error(ErrorCode::mismatch,
                                    "the direction has " + std::to_string(intervention.value.size(0)) +
                                        " numbers, the activation " + std::to_string(x.size(-1)),
                                    {}, hook_name(intervention.site)));
  const at::Tensor wide = x.to(at::promoteTypes(x.scalar_type(), at::kFloat));
  const at::Tensor direction = intervention.value.to(wide.options());
  const at::Tensor unit = direction / direction.norm();
  return (wide - intervention.factor * (wide * unit).sum(-1, true) * unit).to(x.scalar_type());
}

// Bool [key] of the keys that an intervention names.
at::Tensor named_keys(const Intervention& intervention, const at::Tensor& rows) {
  at::Tensor named = at::zeros({rows.size(-1)}, at::kBool);
  for (const std::int64_t key : intervention.keys)
    if (key < rows.size(-1)) named[key] = true;
  return named.to(rows.device());
}

// Bool [.., 1, key]: the sinks of whole patterns [.., query, key], except the first sink of each pattern.
at::Tensor later_sinks(const at::Tensor& pattern, double threshold) {
  const std::int64_t keys = pattern.size(-1);
  const at::Tensor queries = at::arange(keys, 0, -1, pattern.options().dtype(at::kFloat)); // that can see the key
  const at::Tensor sinks = (pattern.to(at::kFloat).sum(-2) / queries) > threshold;
  return sinks.logical_and(sinks.to(at::kLong).cumsum(-1) > 1).unsqueeze(-2);
}

// Changes the scores `rows` [.., query, key] that the intervention selects; `chosen` are the keys it is about.
at::Tensor hidden_scores(const at::Tensor& rows, const at::Tensor& chosen) {
  constexpr double nothing = -std::numeric_limits<double>::infinity();
  const at::Tensor hidden = rows.masked_fill(chosen, nothing);
  return at::where((hidden == nothing).all(-1, true), rows, hidden);
}

at::Tensor redistributed(const at::Tensor& rows, const at::Tensor& chosen, double factor) {
  const at::Tensor taken = rows.masked_fill(chosen.logical_not(), 0.0);
  const at::Tensor others = rows - taken;
  const at::Tensor rest = others.sum(-1, true);
  const at::Tensor freed = taken.sum(-1, true) * (1.0 - factor);
  return at::where(rest > 0, taken * factor + others * (1.0 + freed / rest), rows);
}

// `slots` [query] are the slots of the rows' queries. The target has only keys that a query may see, and sums to 1.
at::Tensor steered(const Intervention& intervention, const at::Tensor& rows, const at::Tensor& slots) {
  const std::int64_t keys = rows.size(-1);
  at::Tensor weights = at::zeros({keys}, at::kDouble);
  for (std::size_t i = 0; i < intervention.keys.size(); ++i)
    if (intervention.keys[i] < keys)
      weights[intervention.keys[i]] +=
          intervention.value.defined() ? intervention.value[static_cast<std::int64_t>(i)].item<double>() : 1.0;
  const at::Tensor seen = at::arange(keys, at::kLong).unsqueeze(0) <= slots.unsqueeze(1); // [query, key]
  const at::Tensor target = weights.unsqueeze(0) * seen;
  const at::Tensor sum = target.sum(-1, true);
  const at::Tensor share = intervention.factor * (sum > 0).to(at::kDouble); // [query, 1]
  const at::Tensor given = share * target / sum.clamp_min(std::numeric_limits<double>::min());
  return rows * (1.0 - share).to(rows.options()) + given.to(rows.options());
}

// Returns the slots of the queries that are changed [query], on the CPU.
at::Tensor query_slots(const Selection& selection, const RunSpan& span) {
  const at::Tensor local =
      selection.all_positions ? at::arange(span.count, at::kLong) : at::tensor(selection.positions, at::kLong);
  return local + span.begin;
}

// Applies interventions on the weights of chosen keys.
void apply_to_keys(const Intervention& intervention, const Selection& selection, const RunSpan& span) {
  const bool sinks = intervention.kind == InterventionKind::redistribute && intervention.keys.empty();
  if ((sinks && span.begin > 0) || (!selection.all_positions && selection.positions.empty())) return;
  at::Tensor view = selection.view;
  const at::Tensor chosen = sinks ? later_sinks(view, intervention.sink_threshold) : named_keys(intervention, view);
  const auto changed = [&](const at::Tensor& rows) {
    if (intervention.kind == InterventionKind::steer) return steered(intervention, rows, query_slots(selection, span));
    return intervention.kind == InterventionKind::hide ? hidden_scores(rows, chosen)
                                                       : redistributed(rows, chosen, intervention.factor);
  };
  if (selection.all_positions) {
    view.copy_(changed(view));
    return;
  }
  const at::Tensor index = queued_copy(at::tensor(selection.positions, at::kLong), view.device());
  view.index_copy_(selection.position_axis, index, changed(view.index_select(selection.position_axis, index)));
}

void apply_everywhere(const Intervention& intervention, const Selection& selection) {
  at::Tensor view = selection.view;
  switch (intervention.kind) {
  case InterventionKind::zero: view.zero_(); return;
  case InterventionKind::scale: view.mul_(intervention.factor); return;
  case InterventionKind::project_out: view.copy_(without_direction(intervention, view)); return;
  case InterventionKind::set: view.copy_(fitted_value(intervention, selection, view.sizes(), view)); return;
  case InterventionKind::add: view.add_(fitted_value(intervention, selection, view.sizes(), view)); return;
  case InterventionKind::uniform: return; // attention itself does it
  case InterventionKind::hide:
  case InterventionKind::redistribute:
  case InterventionKind::steer: return; // apply_to_keys()
  }
}

void apply_at_positions(const Intervention& intervention, const Selection& selection) {
  if (selection.positions.empty()) return;
  at::Tensor view = selection.view;
  const std::int64_t axis = selection.position_axis;
  const at::Tensor index = queued_copy(at::tensor(selection.positions, at::kLong), view.device());
  at::DimVector wanted(view.sizes());
  wanted[static_cast<std::size_t>(axis)] = static_cast<std::int64_t>(selection.positions.size());
  switch (intervention.kind) {
  case InterventionKind::zero: view.index_fill_(axis, index, 0); return;
  case InterventionKind::scale:
    view.index_copy_(axis, index, view.index_select(axis, index) * intervention.factor);
    return;
  case InterventionKind::project_out:
    view.index_copy_(axis, index, without_direction(intervention, view.index_select(axis, index)));
    return;
  case InterventionKind::set:
    view.index_copy_(axis, index, fitted_value(intervention, selection, wanted, view));
    return;
  case InterventionKind::add:
    view.index_copy_(axis, index, view.index_select(axis, index) + fitted_value(intervention, selection, wanted, view));
    return;
  case InterventionKind::uniform:
  case InterventionKind::hide:
  case InterventionKind::redistribute:
  case InterventionKind::steer: return;
  }
}

} // namespace

void apply_intervention(const Intervention& intervention, const RunSpan& span, at::Tensor& x) {
  const Selection selection = select(intervention, span, x);
  const bool on_keys = intervention.kind == InterventionKind::hide ||
                       intervention.kind == InterventionKind::redistribute ||
                       intervention.kind == InterventionKind::steer;
  if (on_keys)
    apply_to_keys(intervention, selection, span);
  else if (selection.all_positions)
    apply_everywhere(intervention, selection);
  else
    apply_at_positions(intervention, selection);
}

} // namespace headscope
