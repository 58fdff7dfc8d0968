using System.Text.RegularExpressions;

namespace OrleansCache.Testing;

/// <summary>A service unit of systemd, as far as a test without systemd can start what it says.</summary>
public sealed partial class SystemdUnit
{
    private readonly List<(string Name, string Value)> _lines = [];

    /// <param name="text">The unit's file.</param>
    public SystemdUnit(string text)
    {
        foreach (var line in text.Replace("\\\n", " ", StringComparison.Ordinal).Split('\n'))
            if (line.Length > 0 && line[0] is not ('#' or ';' or '[') && line.IndexOf('=', StringComparison.Ordinal) is > 0 and var at)
                _lines.Add((line[..at], line[(at + 1)..].Trim()));
    }

    /// <summary>The program and its arguments.</summary>
    public IReadOnlyList<string> Command => Words(Last("ExecStart"));

    /// <summary>Whom it runs as; null: root.</summary>
    public string? User => _lines.LastOrDefault(l => l.Name == "User").Value;

    /// <summary>The state folder, below <c>/var/lib</c>.</summary>
    public string StateDirectory => Last("StateDirectory");

    public string Last(string name) => _lines.Last(l => l.Name == name).Value;

    /// <summary>Every setting, in order.</summary>
    public IEnumerable<string> Names => _lines.Select(l => l.Name);

    public IEnumerable<string> All(string name) => _lines.Where(l => l.Name == name).Select(l => l.Value);

    /// <summary>The variables that the unit itself says.</summary>
    public Dictionary<string, string> OwnEnvironment =>
        All("Environment").SelectMany(Words).Select(Assignment).ToDictionary(a => a.Name, a => a.Value);

    /// <summary>Its variables: those of the unit, and over them those of its files.</summary>
    /// <param name="root">Where the files are, if not at the root.</param>
    public Dictionary<string, string> Environment(string root = "/")
    {
        var environment = OwnEnvironment;
        foreach (var file in All("EnvironmentFile"))
        {
            var path = Path.Combine(root, file.TrimStart('-').TrimStart('/'));
            if (file[0] != '-' || File.Exists(path))
                foreach (var (name, value) in File.ReadLines(path).Where(l => l.Length > 0 && l[0] != '#').Select(Assignment))
                    environment[name] = value;
        }

        return environment;
    }

    private static (string Name, string Value) Assignment(string text) =>
        text.IndexOf('=', StringComparison.Ordinal) is var at and > 0 ? (text[..at], text[(at + 1)..])
            : throw new FormatException($"'{text}' sets no variable.");

    /// <summary>Words with double quotes, as systemd reads them; <c>%%</c> is a percent sign.</summary>
    private static List<string> Words(string text) =>
        [.. Word().Matches(text).Select(m => Unquoted().Replace(m.Value, q => q.Groups[1].Value)
            .Replace("\\\"", "\"", StringComparison.Ordinal).Replace("%%", "%", StringComparison.Ordinal))];

    [GeneratedRegex("""(?:[^\s"]|"(?:[^"\\]|\\.)*")+""")]
    private static partial Regex Word();

    [GeneratedRegex("""(?<!\\)"((?:[^"\\]|\\.)*)"(?!\w)""")]
    private static partial Regex Unquoted();
}
