// Decodes an image's heads as the C++ program does. Arguments: a file with the decoder's words, one a line, the number of
// classes, a file with the logits and then the deltas. Writes 6 float32 for each detection: box, label, score.
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "retinanet.h"

int main(int, char** arguments) {
  Message message;
  std::ifstream text(arguments[1]);
  for (std::string line; std::getline(text, line);) message.push_back(line);
  Reader words(message);
  const retinanet::Decoder decoder(words);
  const size_t classes = std::strtoul(arguments[2], nullptr, 10);
  std::ifstream file(arguments[3], std::ios::binary);
  std::vector<float> values(decoder.anchors() * (classes + 4));
  file.read(reinterpret_cast<char*>(values.data()), static_cast<std::streamsize>(values.size() * sizeof(float)));
  const auto found = decoder.decode(values.data(), values.data() + decoder.anchors() * classes, classes);
  for (size_t n = 0; n < found.scores.size(); ++n) {
    std::fwrite(&found.boxes[4 * n], sizeof(float), 4, stdout);
    const float rest[] = {static_cast<float>(found.labels[n]), found.scores[n]};
    std::fwrite(rest, sizeof(float), 2, stdout);
  }
}
