using System.Formats.Asn1;
using System.Globalization;
using System.Security.Cryptography.X509Certificates;
using System.Text;

namespace OrleansCache.Gateway.Tls;

/// <summary>The name of a subject or issuer: RFC 4514 text (which RFC 2253 was), and the values of single attributes.</summary>
internal sealed class DistinguishedName
{
    public const string CommonName = "2.5.4.3";
    public const string Organization = "2.5.4.10";
    public const string OrganizationalUnit = "2.5.4.11";

    // The names of RFC 4514, section 3, and that of mail addresses, which OpenSSL writes so.
    private static readonly Dictionary<string, string> Keywords = new(StringComparer.Ordinal)
    {
        [CommonName] = "CN",
        ["2.5.4.7"] = "L",
        ["2.5.4.8"] = "ST",
        [Organization] = "O",
        [OrganizationalUnit] = "OU",
        ["2.5.4.6"] = "C",
        ["2.5.4.9"] = "STREET",
        ["0.9.2342.19200300.100.1.25"] = "DC",
        ["0.9.2342.19200300.100.1.1"] = "UID",
        ["1.2.840.113549.1.9.1"] = "emailAddress",
    };

    private readonly List<List<Attribute>> _parts = [];

    /// <exception cref="FormatException">It cannot be read.</exception>
    public DistinguishedName(X500DistinguishedName name)
    {
        try
        {
            var parts = new AsnReader(name.RawData, AsnEncodingRules.DER).ReadSequence();
            while (parts.HasData)
            {
                var part = new List<Attribute>();
                for (var attributes = parts.ReadSetOf(); attributes.HasData;)
                {
                    var attribute = attributes.ReadSequence();
                    var type = attribute.ReadObjectIdentifier();
                    part.Add(new Attribute(type, TextOf(attribute), attribute.PeekEncodedValue().ToArray()));
                }

                _parts.Add(part);
            }
        }
        catch (AsnContentException e)
        {
            throw new FormatException("a name cannot be read", e);
        }
    }

    /// <summary>The values of an attribute, in their order.</summary>
    public IEnumerable<string> Values(string type) =>
        _parts.SelectMany(part => part).Where(attribute => attribute.Type == type).Select(attribute => attribute.Text).OfType<string>();

    public override string ToString() =>
        string.Join(',', _parts.AsEnumerable().Reverse().Select(part => string.Join('+', part.Select(Write))));

    private static string Write(Attribute attribute) => Keywords.GetValueOrDefault(attribute.Type) is { } keyword
        && attribute.Text is { } text ? $"{keyword}={Escape(text)}" : $"{attribute.Type}=#{Convert.ToHexStringLower(attribute.Encoded)}";

    private static string Escape(string text)
    {
        var escaped = new StringBuilder(text.Length);
        for (var i = 0; i < text.Length; i++)
        {
            var c = text[i];
            if (char.IsControl(c))
                escaped.Append(CultureInfo.InvariantCulture, $"\\{(int)c:X2}");
            else if (c is ',' or '+' or '"' or '\\' or '<' or '>' or ';' || (i == 0 && c is ' ' or '#')
                || (i == text.Length - 1 && c == ' '))
                escaped.Append('\\').Append(c);
            else
                escaped.Append(c);
        }

        return escaped.ToString();
    }

    // Null of a value that is no text.
    private static string? TextOf(AsnReader attribute)
    {
        var tag = attribute.PeekTag();
        return tag.TagClass == TagClass.Universal && (UniversalTagNumber)tag.TagValue is UniversalTagNumber.UTF8String
            or UniversalTagNumber.PrintableString or UniversalTagNumber.IA5String or UniversalTagNumber.T61String
            or UniversalTagNumber.BMPString
            ? new AsnReader(attribute.PeekEncodedValue(), AsnEncodingRules.DER).ReadCharacterString((UniversalTagNumber)tag.TagValue)
            : null;
    }

    private sealed record Attribute(string Type, string? Text, byte[] Encoded);
}
