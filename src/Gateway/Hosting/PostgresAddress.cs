using System.Text;
using Npgsql;
using OrleansCache.Core.Common;

namespace OrleansCache.Gateway.Hosting;

/// <summary>
/// The value of <c>--postgres</c>: Npgsql's own form, or one of libpq's two (<c>postgres://role@host/database</c>, <c>host=… dbname=…</c>),
/// which become Npgsql's.
/// </summary>
internal static class PostgresAddress
{
    public const string Forms =
        "'Host=db;Username=cache;Password=…;Database=cache', 'postgres://cache@db/cache' or 'host=db user=cache dbname=cache'";

    private static readonly string[] Schemes = ["postgres://", "postgresql://"];

    // libpq's names, and Npgsql's.
    private static readonly Dictionary<string, string> Names = new(StringComparer.Ordinal)
    {
        ["dbname"] = "Database",
        ["user"] = "Username",
        ["password"] = "Password",
        ["passfile"] = "Passfile",
        ["application_name"] = "Application Name",
        ["client_encoding"] = "Client Encoding",
        ["connect_timeout"] = "Timeout",
        ["keepalives_idle"] = "Tcp Keepalive Time",
        ["options"] = "Options",
        ["sslmode"] = "SSL Mode",
        ["sslcert"] = "SSL Certificate",
        ["sslkey"] = "SSL Key",
        ["sslpassword"] = "SSL Password",
        ["sslrootcert"] = "Root Certificate",
        ["channel_binding"] = "Channel Binding",
        ["target_session_attrs"] = "Target Session Attributes",
    };

    /// <exception cref="StartupException">It is of no form, or names something that does not exist.</exception>
    public static string Parse(string text)
    {
        try
        {
            var settings = Schemes.FirstOrDefault(s => text.StartsWith(s, StringComparison.OrdinalIgnoreCase)) is { } scheme
                ? Translate(OfUrl(text[scheme.Length..]))
                : !text.Contains(';', StringComparison.Ordinal) && OfPairs(text) is { } pairs
                    && (pairs.Count > 1 || Names.ContainsKey(pairs[0].Name)) ? Translate(pairs)
                : new NpgsqlConnectionStringBuilder(text);
            return settings.Host is { Length: > 0 } ? settings.ConnectionString : throw new ArgumentException("it names no host");
        }
        catch (Exception e) when (e is ArgumentException or FormatException or KeyNotFoundException)
        {
            throw new StartupException(
                $"--postgres is not a connection string such as {Forms}: {e.Message.ReplaceLineEndings(" ").TrimEnd('.')}.", e);
        }
    }

    private static NpgsqlConnectionStringBuilder Translate(List<(string Name, string Value)> pairs)
    {
        var settings = new NpgsqlConnectionStringBuilder();
        var (hosts, ports) = (Array.Empty<string>(), Array.Empty<string>());
        foreach (var (name, value) in pairs)
        {
            switch (name)
            {
                case "host" or "hostaddr":
                    hosts = value.Split(',');
                    break;
                case "port":
                    ports = value.Split(',');
                    break;
                case "sslmode":
                    settings["SSL Mode"] = value.Replace("-", "", StringComparison.Ordinal);
                    break;
                case "sslrootcert" when value == "system":
                    // Npgsql's default.
                    break;
                default:
                    settings[Names.GetValueOrDefault(name)
                        ?? throw new ArgumentException($"it has '{name}', which this server does not know")] = value;
                    break;
            }
        }

        settings.Host = hosts.Length == 0 ? "localhost"
            : string.Join(',', hosts.Select((host, i) => ports.Length > 1 && ports.Length == hosts.Length ? $"{host}:{ports[i]}" : host));
        if (ports.Length == 1 && ports[0].Length > 0)
            settings["Port"] = ports[0];
        return settings;
    }

    // [role[:password]@][host[:port][,…]][/database][?name=value&…]
    private static List<(string Name, string Value)> OfUrl(string text)
    {
        var pairs = new List<(string, string)>();
        var (rest, query) = Cut(text, '?');
        var (authority, database) = Cut(rest, '/');
        var at = authority.LastIndexOf('@');
        if (at >= 0)
        {
            var (role, password) = Cut(authority[..at], ':');
            Add("user", role);
            Add("password", password);
        }

        var hosts = authority[(at + 1)..].Split(',').Select(host =>
        {
            var colon = host.LastIndexOf(':');
            return colon > host.LastIndexOf(']') ? (Name: host[..colon], Port: host[(colon + 1)..]) : (Name: host, Port: "");
        }).ToList();
        Add("host", string.Join(',', hosts.Select(h => h.Name.Trim('[', ']'))));
        if (hosts.Exists(h => h.Port.Length > 0))
            Add("port", string.Join(',', hosts.Select(h => h.Port.Length > 0 ? h.Port : "5432")));
        Add("dbname", database);
        foreach (var pair in query.Split('&', StringSplitOptions.RemoveEmptyEntries))
        {
            var (name, value) = Cut(pair, '=');
            Add(name, value);
        }

        return pairs;

        void Add(string name, string value)
        {
            if (value.Length > 0)
                pairs.Add((name, Uri.UnescapeDataString(value)));
        }
    }

    // name=value with blanks between, some values in single quotes; null: the text is of another form.
    private static List<(string Name, string Value)>? OfPairs(string text)
    {
        var pairs = new List<(string, string)>();
        for (var at = 0; ;)
        {
            while (at < text.Length && char.IsWhiteSpace(text[at]))
                at++;
            if (at == text.Length)
                return pairs.Count == 0 ? null : pairs;
            var equals = text.IndexOf('=', at);
            if (equals < 0 || text[at..equals].Trim() is not { Length: > 0 } name
                || !name.All(c => char.IsAsciiLetterOrDigit(c) || c == '_'))
                return null;
            at = equals + 1;
            while (at < text.Length && char.IsWhiteSpace(text[at]))
                at++;
            var value = new StringBuilder();
            var quoted = at < text.Length && text[at] == '\'';
            for (at += quoted ? 1 : 0; at < text.Length && !(quoted ? text[at] == '\'' : char.IsWhiteSpace(text[at])); at++)
            {
                if (text[at] == '\\' && at + 1 < text.Length)
                    at++;
                value.Append(text[at]);
            }

            if (quoted && at++ == text.Length)
                throw new FormatException($"the quotation mark after '{name}=' has no end");
            pairs.Add((name, value.ToString()));
        }
    }

    private static (string Before, string After) Cut(string text, char mark) => text.IndexOf(mark, StringComparison.Ordinal)
        is >= 0 and var at ? (text[..at], text[(at + 1)..]) : (text, "");
}
