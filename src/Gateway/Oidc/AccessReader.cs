using System.Text.Json;

namespace OrleansCache.Gateway.Oidc;

/// <summary>Reads the members of a JSON object and collects what is wrong with them, each with its place.</summary>
internal sealed class AccessReader
{
    private const int MaxName = 64;

    private readonly List<string> _faults = [];

    public IReadOnlyList<string> Faults => _faults;

    public void Fault(string place, string what) => _faults.Add($"{place}: {what}.");

    /// <summary>Refuses members of other names: a misspelt one would be as good as absent.</summary>
    public void DemandMembers(JsonElement element, string place, params string[] names)
    {
        if (element.ValueKind != JsonValueKind.Object)
        {
            Fault(place, $"an object is wanted, with {string.Join(", ", names.Select(n => $"'{n}'"))}");
            return;
        }

        foreach (var member in element.EnumerateObject().Where(m => !names.Contains(m.Name, StringComparer.Ordinal)))
            Fault($"{place}.{member.Name}", $"this member is unknown; {string.Join(", ", names.Select(n => $"'{n}'"))} are known");
    }

    public bool TryObject(JsonElement element, string place, string name, string why, out JsonElement found)
    {
        if (Find(element, name) is { ValueKind: JsonValueKind.Object } member)
        {
            found = member;
            return true;
        }

        Fault($"{place}.{name}", $"an object is wanted, as {why}");
        found = default;
        return false;
    }

    public IEnumerable<(JsonElement Element, string Place)> Items(JsonElement element, string place, string name, string why)
    {
        if (Find(element, name) is { ValueKind: JsonValueKind.Array } list && list.GetArrayLength() > 0)
            return list.EnumerateArray().Select((item, index) => (item, $"{place}.{name}[{index}]"));
        Fault($"{place}.{name}", why);
        return [];
    }

    public string? Text(JsonElement element, string place, string name, bool isOptional = false)
    {
        var member = Find(element, name);
        if (member is { ValueKind: JsonValueKind.String } text && text.GetString() is { Length: > 0 } value)
            return value;
        if (member is not null || !isOptional)
            Fault($"{place}.{name}", "a text is wanted");
        return null;
    }

    /// <summary>A name as those of tokens and trust groups.</summary>
    public string? Name(JsonElement element, string place, string name, bool isOptional = false)
    {
        if (Text(element, place, name, isOptional) is not { } text)
            return null;
        if (text.Length > MaxName || !text.All(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '_' or '-'))
            Fault($"{place}.{name}", $"'{text}' is no name: 1 to {MaxName} characters of A-Z, a-z, 0-9, '.', '_' and '-' are wanted");
        return text;
    }

    /// <summary>A text, or a list of texts.</summary>
    public List<string>? Texts(JsonElement element, string place, string name, bool isOptional = false)
    {
        if (Find(element, name) is { } member)
            return ValueTexts(member, $"{place}.{name}");
        if (!isOptional)
            Fault($"{place}.{name}", "a text is wanted, or a list of texts");
        return null;
    }

    /// <summary>The same of a value: numbers and truth values count as their text, since tokens have both.</summary>
    public List<string>? ValueTexts(JsonElement value, string place)
    {
        JsonElement[] items = value.ValueKind == JsonValueKind.Array ? [.. value.EnumerateArray()] : [value];
        var texts = items.Select(i => i.ValueKind switch
        {
            JsonValueKind.String => i.GetString()!,
            JsonValueKind.Number => i.GetRawText(),
            JsonValueKind.True => "true",
            JsonValueKind.False => "false",
            _ => "",
        }).ToList();
        if (texts.Count > 0 && !texts.Contains(""))
            return texts;
        Fault(place, "a text is wanted, or a list of texts, and none of them empty");
        return null;
    }

    private static JsonElement? Find(JsonElement element, string name) =>
        element.ValueKind == JsonValueKind.Object && element.TryGetProperty(name, out var member) ? member : null;
}
