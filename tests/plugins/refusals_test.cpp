// SPDX-License-Identifier: GPL-3.0-or-later
// Good modules, and modules that are wrong in every way: they are listed and explained, and never crash the program.
#include <chrono>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <sys/wait.h>
#include <unistd.h>

#include "plugins/host/abi.h"
#include "plugins/host/plugin_host.h"

namespace headscope::plugin {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

class Refusals : public testing::Test {
protected:
  void SetUp() override {
    ::setenv("ASAN_OPTIONS", "handle_segv=0", 1); // children crash on purpose
    std::string name = (fs::temp_directory_path() / "headscope-plugins-XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
    fs::create_directory(folder_ / "plugins");
    options_.folders = {(folder_ / "plugins").string()};
    options_.probe.cache = (folder_ / "cache").string();
    options_.probe.time_limit = std::chrono::minutes(20); // on a busy machine a program starts slowly
  }
  void TearDown() override { fs::remove_all(folder_); }

  fs::path file(const std::string& name) const { return folder_ / "plugins" / name; }

  static json manifest_of(const std::string& name) {
    std::ifstream in(HEADSCOPE_BINARY_DIR "/tests/plugins/modules/" + name + "/" + name + ".json");
    return json::parse(in);
  }

  // A copy of a test module.
  void add(const std::string& name) { add(name, manifest_of(name).dump()); }
  void add(const std::string& name, const std::string& manifest) {
    fs::copy_file(HEADSCOPE_BINARY_DIR "/tests/plugins/modules/" + name + "/" + name + ".so", file(name + ".so"),
                  fs::copy_options::overwrite_existing);
    std::ofstream(file(name + ".json")) << manifest;
  }

  // The reason of the only plugin, which was refused.
  std::string reason() const {
    const PluginHost host = PluginHost::load(options_);
    if (host.entries().size() != 1) return "there are " + std::to_string(host.entries().size()) + " plugins";
    EXPECT_FALSE(host.entries()[0].loaded);
    EXPECT_TRUE(host.detectors().empty());
    return host.entries()[0].reason;
  }

  fs::path folder_;
  HostOptions options_;
};

TEST_F(Refusals, DoNotMeetAGoodModule) {
  add("good");
  const PluginHost host = PluginHost::load(options_);
  ASSERT_EQ(host.entries().size(), 1U);
  EXPECT_TRUE(host.entries()[0].loaded) << host.entries()[0].reason;
  EXPECT_EQ(host.entries()[0].kind, "detector");
  EXPECT_THAT(host.entries()[0].provides, ElementsAre("good"));
  ASSERT_TRUE(host.detector("good").ok());
  EXPECT_EQ((*host.detector("good"))->title(), "Constant");
  EXPECT_THAT(host.detector("better").error().message, HasSubstr("there are good"));
}

TEST_F(Refusals, AModuleThatIsOverwrittenWithSizeAndTimeKeptIsTriedAgain) {
  add("good");
  // In a process of its own, since this one must not have mapped what is overwritten.
  const pid_t child = ::fork();
  if (child == 0) ::_exit(PluginHost::load(options_).entries()[0].loaded ? 0 : 1);
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_EQ(status, 0);
  std::string bytes(fs::file_size(file("good.so")), 'x');
  const auto time = fs::last_write_time(file("good.so"));
  // With a new inode the running program would keep what it has mapped; here the file itself is overwritten.
  std::fstream(file("good.so"), std::ios::binary | std::ios::in | std::ios::out)
      .write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  fs::last_write_time(file("good.so"), time);
  EXPECT_NE(reason(), "");
}

TEST_F(Refusals, AFolderThatAnybodyMayWriteToIsNamed) {
  EXPECT_TRUE(PluginHost::load(options_).warnings().empty());
  fs::permissions(folder_ / "plugins", fs::perms::others_write, fs::perm_options::add);
  EXPECT_THAT(PluginHost::load(options_).warnings(), ElementsAre(HasSubstr("anybody may write")));
}

TEST_F(Refusals, OfWrongTagsComeBeforeTheModuleIsOpened) {
  const json good = manifest_of("crash_on_open"); // opening it would say something else
  for (const char* part : {"libtorch", "cuda", "compiler"}) {
    json manifest = good;
    manifest["abi"][part] = "some other";
    add("crash_on_open", manifest.dump());
    EXPECT_THAT(reason(), AllOf(HasSubstr("was built for"), HasSubstr("some other"), HasSubstr("this Headscope has"),
                                HasSubstr(good["abi"][part].get<std::string>())));
  }
  json manifest = good;
  manifest["sdk"] = 99;
  add("crash_on_open", manifest.dump());
  EXPECT_THAT(reason(), HasSubstr("sdk: was built for SDK 99"));
  manifest["sdk"] = 2; // when plugins of attention were of another kind
  manifest["kind"] = "attention-backend";
  add("crash_on_open", manifest.dump());
  EXPECT_THAT(reason(), AllOf(HasSubstr("sdk: was built for SDK 2; this Headscope has SDK "),
                              HasSubstr("build the plugin again")));
}

TEST_F(Refusals, NameTheFieldOfABrokenManifest) {
  const std::tuple<const char*, json, const char*> cases[] = {
      {"id", nullptr, "id: must be a text"},
      {"id", "Two Words", "id: must be of lower-case"},
      {"kind", "painter", "kind: must be detector"},
      {"module", "../good.so", "module: must be the name of a file beside"},
      {"module", "other.so", "module: there is no"},
      {"abi", json::array(), "abi: must be an object"},
      {"sdk", "1", "sdk: must be a whole number"},
      {"headscope_plugin", 2, "headscope_plugin: must be 1, not 2"},
  };
  for (const auto& [field, value, expected] : cases) {
    json manifest = manifest_of("good");
    manifest[field] = value;
    add("good", manifest.dump());
    EXPECT_THAT(reason(), HasSubstr(expected));
    manifest.erase(field);
    add("good", manifest.dump());
    EXPECT_THAT(reason(), HasSubstr(std::string(field) + ": is missing"));
  }
  for (const std::string text : {"", "{", "[]", "null", "\xff\x01", "{\"headscope_plugin\": 1, \"id\""}) {
    add("good", text);
    EXPECT_THAT(reason(), testing::AnyOf(HasSubstr("is no JSON"), HasSubstr("must hold a JSON object")));
  }
}

TEST_F(Refusals, OfWhatIsNoPlugin) {
  add("good");
  fs::remove(file("good.json"));
  EXPECT_THAT(reason(), HasSubstr("no manifest names it"));
  add("good");
  std::ofstream(file("good.so")) << "\x7f"
                                    "ELF and nothing more";
  EXPECT_THAT(reason(), HasSubstr("cannot be opened"));
  options_.folders = {"/nowhere/plugins"};
  EXPECT_THAT(reason(), HasSubstr("there is no such folder"));
}

struct BadModule {
  const char* name;
  std::vector<const char*> reason; // parts of it
};

class BadModules : public Refusals, public testing::WithParamInterface<BadModule> {};

TEST_P(BadModules, AreExplained) {
  add(GetParam().name);
  const std::string said = reason();
  for (const char* part : GetParam().reason)
    EXPECT_THAT(said, HasSubstr(part));
}

INSTANTIATE_TEST_SUITE_P(
    All, BadModules,
    testing::Values(BadModule{"missing", {"cannot be opened", "undefined symbol", "no_such_function_of_headscope"}},
                    BadModule{"no_entry", {"has no function headscope_plugin"}},
                    BadModule{"old_table", {"was compiled for SDK", "whatever its manifest says"}},
                    BadModule{"wrong_kind", {"holds plugins of kind detector", "its manifest says mechanism"}},
                    BadModule{"empty", {"makes no object"}}, BadModule{"bad_id", {"'Bad Id'"}},
                    BadModule{"throw", {"cannot make its objects", "the calibration file is missing"}},
                    BadModule{"throw_other", {"cannot make its objects", "unknown type"}},
                    BadModule{"throw_later", {"no title today"}},
                    BadModule{"crash", {"signal 11", "making its objects", "reading the calibration file"}},
                    BadModule{"crash_on_open", {"signal 11", "opening it"}},
                    BadModule{"exit", {"ended with exit status 0", "making its objects"}}),
    [](const auto& test) { return test.param.name; });

TEST_F(Refusals, OfAModuleThatHangs) {
  add("hang");
  options_.probe.time_limit = std::chrono::seconds(5); // its constructor is reached, on a busy machine too
  EXPECT_THAT(reason(), HasSubstr("did not end within 5 s"));
  std::error_code none;
  EXPECT_TRUE(!fs::exists(options_.probe.cache) || fs::is_empty(options_.probe.cache, none))
      << "a busy machine may be the reason, and may be quiet next time";
}

TEST_F(Refusals, AreNotForgedByWhatAModulePrints) {
  add("print");
  const PluginHost host = PluginHost::load(options_);
  ASSERT_EQ(host.entries().size(), 1U);
  EXPECT_THAT(host.entries()[0].provides, ElementsAre("good"));
}

TEST_F(Refusals, OfIdsThatAreTaken) {
  add("good");
  add("taken");
  fs::copy_file(file("good.json"), file("zzz.json"));
  const PluginHost host = PluginHost::load(options_);
  ASSERT_EQ(host.entries().size(), 3U);
  EXPECT_TRUE(host.entries()[0].loaded);
  EXPECT_THAT(host.entries()[1].reason, HasSubstr("the id 'good' is taken by"));
  EXPECT_THAT(host.entries()[2].reason, HasSubstr("id: is the id of"));
  EXPECT_EQ(host.detectors().size(), 1U);
}

TEST_F(Refusals, OfAMechanismWithTheNameOfOneOfHeadscopes) {
  add("clash");
  const PluginHost host = PluginHost::load(options_);
  EXPECT_FALSE(host.entries().at(0).loaded);
  EXPECT_THAT(host.entries()[0].reason, AllOf(HasSubstr("'window' (full attention that goes wrong)"),
                                              HasSubstr("Headscope's own mechanism 'window' (sliding window)")));
  EXPECT_EQ(host.mechanisms().all().size(), mechanisms::MechanismList::built_in().all().size());
  EXPECT_TRUE(host.mechanisms().find("window")->module.empty());
  EXPECT_THAT(host.mechanisms().why_missing("clash"), HasSubstr("the plugin 'clash' was refused: its mechanism"));
}

TEST_F(Refusals, OfTwoMechanismsOfOneName) {
  add("odd");
  json manifest = manifest_of("odd");
  manifest["id"] = "other";
  std::ofstream(file("other.json")) << manifest;
  const PluginHost host = PluginHost::load(options_);
  ASSERT_EQ(host.entries().size(), 2U);
  EXPECT_TRUE(host.entries()[0].loaded) << host.entries()[0].reason;
  EXPECT_THAT(host.entries()[1].reason, HasSubstr("has the name of the mechanism of " + file("odd.so").string()));
}

TEST_F(Refusals, OfAMechanismWhoseDefaultsAreOutsideTheirBounds) {
  add("bad_options");
  EXPECT_THAT(reason(), HasSubstr("its mechanism 'odd' has an option 'width' that has a default outside its bounds"));
}

TEST_F(Refusals, AreRememberedUntilTheModuleChanges) {
  const auto replace = [&](const std::string& from, const std::string& to) {
    int changed = 0;
    for (const auto& entry : fs::directory_iterator(options_.probe.cache)) {
      std::ostringstream text;
      text << std::ifstream(entry.path()).rdbuf();
      std::string all = text.str();
      if (const auto at = all.find(from); at != std::string::npos) {
        std::ofstream(entry.path()) << all.replace(at, from.size(), to);
        ++changed;
      }
    }
    return changed;
  };
  add("throw");
  EXPECT_THAT(reason(), HasSubstr("calibration file"));
  ASSERT_EQ(replace("calibration", "remembered"), 1);
  EXPECT_THAT(reason(), HasSubstr("remembered file"));
  options_.probe.fresh = true;
  EXPECT_THAT(reason(), HasSubstr("calibration file"));
  options_.probe.fresh = false;
  ASSERT_EQ(replace("calibration", "remembered"), 1);
  fs::last_write_time(file("throw.so"), fs::file_time_type::clock::now());
  EXPECT_THAT(reason(), HasSubstr("calibration file"));
  ASSERT_EQ(replace("{", "nonsense"), 1);
  EXPECT_THAT(reason(), HasSubstr("calibration file"));
}

TEST_F(Refusals, NeedNoCache) {
  std::ofstream(folder_ / "cache") << "a file where the folder would be";
  add("good");
  EXPECT_TRUE(PluginHost::load(options_).entries().at(0).loaded);
}

TEST_F(Refusals, SayWhenTheProgramThatTriesModulesIsMissing) {
  add("good");
  options_.probe.program = "/nowhere/headscope";
  EXPECT_THAT(reason(), HasSubstr("there is no /nowhere/headscope"));
}

} // namespace
} // namespace headscope::plugin
