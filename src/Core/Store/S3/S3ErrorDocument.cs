using System.Xml;
using System.Xml.Linq;

namespace OrleansCache.Core.Store.S3;

/// <summary>Error documents of S3, by the names of their elements alone: servers differ in their XML namespaces.</summary>
internal static class S3ErrorDocument
{
    /// <summary>
    /// The code and the message of an answer. The code is null when the text is no error document, and empty when the document has none;
    /// the status decides then.
    /// </summary>
    public static (string? Code, string? Words) Read(string text) =>
        Parse(text) is { Name.LocalName: "Error" } error ? (Child(error, "Code") ?? "", Child(error, "Message")) : (null, null);

    /// <summary>The failures of a multi-object delete, by key.</summary>
    public static Dictionary<string, StoreAnswer> Failures(string text)
    {
        var failures = new Dictionary<string, StoreAnswer>(StringComparer.Ordinal);
        foreach (var error in Parse(text)?.Elements().Where(e => e.Name.LocalName == "Error") ?? [])
            failures[Child(error, "Key") ?? ""] = StoreAnswer.Of(403, Child(error, "Code") ?? "unnamed", Child(error, "Message"));
        return failures;
    }

    /// <summary>Whether the text is a store's answer to a multi-object delete, and not another program's.</summary>
    public static bool IsDeleteResult(string text) => Parse(text)?.Name.LocalName == "DeleteResult";

    private static string? Child(XElement parent, string name) => parent.Elements().FirstOrDefault(e => e.Name.LocalName == name)?.Value;

    private static XElement? Parse(string text)
    {
        try
        {
            return text.Length == 0 ? null : XDocument.Parse(text).Root;
        }
        catch (XmlException)
        {
            return null;
        }
    }
}
