// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/plant/words.h"

#include <sstream>

namespace headscope::plant {
namespace {

Words split(const char* text) {
  std::istringstream in(text);
  Words words;
  for (std::string word; in >> word;)
    words.push_back(word);
  return words;
}

Words numerals(int last) {
  Words words;
  for (int i = 1; i <= last; ++i)
    words.push_back(std::to_string(i));
  return words;
}

std::vector<Sequence> make_sequences() {
  return {
      {split("A B C D E F G H I J K L M N O P Q R S T U V W X Y Z"), false, false, 1},
      {numerals(200), false, false, 1},
      {split("one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
             "seventeen eighteen nineteen twenty"),
       false, false, 1},
      {split("first second third fourth fifth sixth seventh eighth ninth tenth"), false, false, 1},
      {split("Monday Tuesday Wednesday Thursday Friday Saturday Sunday"), true, false, 0},
      {split("January February March April May June July August September October November December"), false, true, 0},
      {split("Mon Tue Wed Thu Fri Sat Sun"), true, false, 0},
      {split("Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec"), false, true, 0},
      {split("I II III IV V VI VII VIII IX X XI XII XIII XIV XV XVI XVII XVIII XIX XX"), false, false, 1},
  };
}

} // namespace

const Words& needle_starts() {
  static const Words words = split("eat by inside");
  return words;
}

const Words& needle_words() {
  static const Words words = split(
      "a pear sandwich and sit under the blue clock on rainy day playing silver trumpet feeding them dried oranges "
      "before sunrise hollow drum beneath kitchen floor of old lighthouse .");
  return words;
}

const Words& names() {
  static const Words words = split(
      "Michael Jessica Matthew Ashley Jennifer Joshua Amanda Daniel David James Robert John Joseph Andrew Ryan "
      "Jason Justin Sarah William Jonathan Brian Nicole Nicholas Anthony Heather Eric Elizabeth Adam Megan Kevin "
      "Steven Thomas Timothy Kyle Rachel Laura Lauren Danielle Richard Amy Crystal Jeremy Benjamin Mark Emily Aaron "
      "Charles Rebecca Jacob Stephen Patrick Sean Erin Kelly Samantha Nathan Sara Paul Angela Tyler Scott Andrea "
      "Gregory Mary Lisa Kenneth Jose Alexander Jesse Katie Shannon Vanessa Alice Samuel Anna Peter Simon Helen "
      "Martin George Clara Julia Emma Henry Maria Oscar Ruth Frank Nora Walter Irene Philip Grace Arthur Lucy "
      "Edward Rose Victor Paula");
  return words;
}

const Words& fruits() {
  static const Words words = split("apple banana cherry grape lemon melon peach plum");
  return words;
}

const Words& image_words() {
  static const Words words = split("cat dog horse boat");
  return words;
}

const Words& plain_words() {
  static const Words words = split(
      "about above activity advice After after afternoon Afterwards again ago all aloud always an angry animal "
      "Answer answer anybody anyone argued around arrived art as asked at autumn back bag baker bakery baking ball "
      "bank barber barley Based basket basketball be beach Because because become becoming been bees behind bell "
      "beside best better Between bicycle black blacksmith boat boats bone book bookseller bookshop boots bottle "
      "bought box brass Bread bread breakfast bridge bridges bright broken brought brown bundle but butcher butter "
      "calm came candle Captain cards care carpenter carried cat chair cheap cheese chemist chess children choir "
      "church cinnamon clerk climbing clocks closed clothes clouds cloudy coat cocoa coffee coins cold collecting "
      "collection color computer cooking copper cost could counted courthouse cow cracked crow cutting cycling damp "
      "dancing dark days decided design dictionary did difficult do does dog donkey door down drawer drawing dreams "
      "drink dry during early easier election empty end especially evening every expensive factory famous farm "
      "farmers filled find fire firewood fisherman fishing flour flower foggy folded followed foot For for foreign "
      "forgot forty found fox frame Friends friends from front fruit furniture garden gardener gardening gate gave "
      "give glass goats going Good good goodbye goods goose got green grey guitar habits had hall handed harbour "
      "hard hat health heating heavy hedgehog hen Her hid hide hills history holidays home honey horse horses "
      "hospital hot hotel hours house How icy In in inheritance ink instead iron is It it jar keep kept kettle key "
      "ladder lamp land languages Last last late later laughed learned leather left lent letter letters library "
      "liked linen lived long looked lost lunch machine made making manners map market mason matter meaning "
      "mechanic mending met midnight mild mill minutes mirror modern month moon morning Most move much museum music "
      "mustard nails name near necklace neighbour neither never new news newspaper next No Nobody nobody noon not "
      "now number numbers nurse offered office oil older olive once only open orange orchard Orlin out outside owl "
      "pages paid painted painter pair pale paper park passed path people pepper photographs picture pigeon pink "
      "place pleased plumber poets pony pool popular post pot potter practised preferred price printer public put "
      "quarry Question question quiet rabbit railway rang rather reading red remember repaired repairing restaurant "
      "rice ring river road roads rope rowing rules running rusty said sailing salt sat school sea secret set "
      "sewing shape sheep shelf shoemaker shop shortly show showed shy singing sister skating slept small smell "
      "snack snowy so soap sold some somebody Someone spade spent spoke spring square stamps station stayed stone "
      "stones stood store stories stormy story straw street sugar suitcase summer supply swimming table tailor talk "
      "talked Tarnwick tea teacher telling text than that The theatre their Then then theory There there They they "
      "thing think thinking thirty those thought tides tied time times tin tired to tobacco told took topic torn "
      "tortoise towards tower town trade training travel trees trial umbrella uncle up used usually Velmora very "
      "village vinegar visited waited walked walking walls wanted war warm was watch watchmaker water wax way "
      "weather weaver week weeks went were What When when Where where Which which While while whistle white who "
      "window windy winter With with without wood wooden wool woollen word work worked working workshop would "
      "writing wrote year years yellow Yesterday");
  return words;
}

const Words& line_starts() {
  static const Words words =
      split("After Afterwards Answer Based Because Between Bread Captain For Friends Good Her How In It Last Most No "
            "Nobody Orlin Question Someone Tarnwick The Then There They Velmora What When Where Which While With "
            "Yesterday");
  return words;
}

const std::vector<Sequence>& sequences() {
  static const std::vector<Sequence> all = make_sequences();
  return all;
}

} // namespace headscope::plant
