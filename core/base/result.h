// SPDX-License-Identifier: GPL-3.0-or-later
// The one way in which core reports failure: Result<T> holds a value or an Error.
//
// Exceptions of Torch, HDF5 and the standard library are caught once, at the edge where the library is
// called (see core/model/guard.h), and never cross a public interface of core.
#pragma once

#include <string>
#include <utility>
#include <variant>

namespace headscope {

enum class ErrorCode {
  invalid_argument, // the caller asked for something that makes no sense
  not_found,        // a file, tensor, token or hook name does not exist
  already_exists,   // an output would overwrite something
  io,               // the operating system refused a read or a write
  corrupt,          // a file does not hold what its format promises
  unsupported,      // valid, but not something Headscope can run
  mismatch,         // two inputs do not fit each other
  out_of_memory,
  cancelled,
  device,   // the accelerator is missing or failed
  internal, // a defect of Headscope itself
};

// The stable lower-case name, e.g. "not_found", used in --json output.
const char* to_string(ErrorCode code);

// The exit code of the program for each kind of error, documented in docs/command-line.md.
int exit_code(ErrorCode code);

struct Error {
  ErrorCode code = ErrorCode::internal;
  std::string message; // what is wrong and, where it is known, what to do; no trailing full stop
  std::string file;    // the file it concerns, or empty
  std::string field;   // the field, tensor, option or dataset it concerns, or empty

  // One line: "FILE: FIELD: message".
  std::string to_string() const;
};

inline Error make_error(ErrorCode code, std::string message, std::string file = {}, std::string field = {}) {
  return Error{code, std::move(message), std::move(file), std::move(field)};
}

template <typename T> class [[nodiscard]] Result {
public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}     // NOLINT(google-explicit-constructor)
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {} // NOLINT(google-explicit-constructor)

  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }

  // May be called only when ok().
  T& value() & { return std::get<0>(state_); }
  const T& value() const& { return std::get<0>(state_); }
  T&& value() && { return std::get<0>(std::move(state_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  // May be called only when !ok().
  const Error& error() const& { return std::get<1>(state_); }
  Error&& error() && { return std::get<1>(std::move(state_)); }

private:
  std::variant<T, Error> state_;
};

template <> class [[nodiscard]] Result<void> {
public:
  Result() = default;
  Result(Error error) : error_(std::move(error)), failed_(true) {} // NOLINT(google-explicit-constructor)

  bool ok() const { return !failed_; }
  explicit operator bool() const { return ok(); }
  const Error& error() const& { return error_; }
  Error&& error() && { return std::move(error_); }

private:
  Error error_;
  bool failed_ = false;
};

using Status = Result<void>;

} // namespace headscope

#define HS_CONCAT_INNER(a, b) a##b
#define HS_CONCAT(a, b) HS_CONCAT_INNER(a, b)

// HS_TRY(expr): returns the error of a Status or Result from the enclosing function.
#define HS_TRY(expr)                                                                                                   \
  do {                                                                                                                 \
    auto hs_status_ = (expr);                                                                                          \
    if (!hs_status_.ok()) return std::move(hs_status_).error();                                                        \
  } while (false)

// HS_ASSIGN(auto x, expr): unwraps a Result into x, or returns its error.
#define HS_ASSIGN(target, expr) HS_ASSIGN_INNER(HS_CONCAT(hs_result_, __LINE__), target, expr)
#define HS_ASSIGN_INNER(temporary, target, expr)                                                                       \
  auto temporary = (expr);                                                                                             \
  if (!temporary.ok()) return std::move(temporary).error();                                                            \
  target = std::move(temporary).value()
