using System.Text;
using OrleansCache.Contracts;

namespace OrleansCache.Core.Store;

/// <summary>RFC 3986 escaping as signatures need it: everything but unreserved characters; in paths, slashes stay.</summary>
internal static class UriText
{
    public static string Escape(string text) => Uri.EscapeDataString(text);

    public static string Path(ObjectKey key) => Path(key.ToString());

    public static string Path(string path)
    {
        var text = new StringBuilder(path.Length + 8);
        var first = true;
        foreach (var segment in path.Split('/'))
        {
            if (!first)
                text.Append('/');
            first = false;
            text.Append(Uri.EscapeDataString(segment));
        }

        return text.ToString();
    }
}
