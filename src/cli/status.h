// Status documents of the nodes of this machine, for the commands that show them.
#pragma once

#include <boost/json/value.hpp>
#include <string>
#include <vector>

namespace qanat::cli {

// Of the nodes that run: those named, or the machine's hub and feed. Throws Failure when one that
// was named does not run, or none.
std::vector<boost::json::value> status_documents(const std::vector<std::string>& states);
// As people read them, one below the other.
std::string status_texts(const std::vector<boost::json::value>& documents);

}  // namespace qanat::cli
